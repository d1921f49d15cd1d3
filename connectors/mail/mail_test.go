package mail_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	stdmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/mail"
	"github.com/knutpunkt/knutpunkt/connectors/mail/mailsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

const (
	alva = connectortest.Number
	vera = "199001012385"
)

var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// A bench is a mail server, which stands at whatever address is dialed, and the connector to it.
type bench struct {
	*mailsim.Sim
	teller hub.Teller
	log    bytes.Buffer
	dialed []string
}

// Of a bench.
type setting struct {
	url      string
	plain    bool // the server offers no STARTTLS
	mistrust bool // the hub does not know who made its certificate
	password string
	steps    []hub.Step
}

func newBench(t *testing.T, s setting) *bench {
	t.Helper()
	certificate, pem, err := mailsim.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o := mailsim.Options{Clock: clock, Certificate: &certificate, User: "knutpunkt", Password: "hemligt"}
	if s.plain {
		o.Certificate = nil
	}
	b := &bench{}
	if b.Sim, err = mailsim.New(o); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(s.url, "smtps:") {
		go b.Listen(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	} else {
		go b.Listen(listener)
	}
	t.Cleanup(func() { listener.Close(); b.Close() })
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	if !s.mistrust {
		trusted.RootCAs.AppendCertsFromPEM(pem)
	}
	env := hub.Env{
		ID: "karlskrona.post", Log: slog.New(slog.NewTextHandler(&b.log, nil)), Clock: clock, TLS: trusted,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			b.dialed = append(b.dialed, address)
			return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
		},
	}
	if s.password == "" {
		s.password = "hemligt"
	}
	system, err := mail.New.Open(context.Background(), env, func(into any) error {
		*into.(*mail.Config) = mail.Config{
			URL: s.url, User: "knutpunkt", Password: hub.NewSecret(s.password), Steps: s.steps,
			From: "Åmåls kommun <svara-inte@amal.example>", Page: "https://e-tjanster.amal.example/mina-arenden",
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.teller = system.Teller
	return b
}

func (b *bench) tell(t *testing.T, to ...hub.Contact) error {
	t.Helper()
	err := b.teller.Tell(t.Context(), hub.Telling{
		Key: "01JNAK0000000000000000000C-tell-2", To: to,
		Status: hub.Status{Step: hub.Beslutat, At: noon, Ref: "SBF 2026-000117"},
	})
	text := b.log.String()
	if err != nil {
		text += err.Error()
	}
	for _, secret := range []string{"@", alva[2:], vera[2:], "hemligt", "fel lösenord", "127.0.0.1"} {
		if strings.Contains(text, secret) {
			t.Errorf("the error or the log tells who it is about: %s", text)
		}
	}
	return err
}

func contact(t *testing.T, number, email string) hub.Contact {
	return hub.Contact{Person: person(t, number), Email: email, Phone: "+46701234567"}
}

const here = "smtp://127.0.0.1:2525"

// TestTheMail reads one whole mail.
func TestTheMail(t *testing.T) {
	b := newBench(t, setting{url: here})
	if err := b.tell(t, contact(t, alva, "alva@example.se"), contact(t, vera, "vera+arenden@post.example.se")); err != nil {
		t.Fatal(err)
	}
	mails := b.Mails()
	if len(mails) != 2 || mails[0].To != "alva@example.se" || mails[1].To != "vera+arenden@post.example.se" {
		t.Fatalf("sent are %d mails", len(mails))
	}
	var bodies []string
	for i, m := range mails {
		read, err := stdmail.ReadMessage(bytes.NewReader(m.Text))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
		for name, want := range map[string]string{
			"Message-Id": "<01JNAK0000000000000000000C-tell-2." + []string{"1", "2"}[i] + "@amal.example>",
			"From":       `"Åmåls kommun" <svara-inte@amal.example>`,
			"To":         "<" + m.To + ">", "Subject": "Du har ett nytt meddelande i Mina ärenden",
			"Auto-Submitted": "auto-generated", "Date": "Mon, 02 Mar 2026 12:00:00 +0100", "Cc": "", "Bcc": "",
			"User-Agent": "", "X-Mailer": "",
		} {
			got, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get(name))
			if got != want && !(name == "From" && strings.ReplaceAll(got, `"`, "") == strings.ReplaceAll(want, `"`, "")) || err != nil {
				t.Errorf("%s is %q and not %q", name, got, want)
			}
		}
		if !m.Secure || m.From != "svara-inte@amal.example" {
			t.Errorf("it came from %s, secure: %t", m.From, m.Secure)
		}
	}
	if bodies[0] != bodies[1] || !strings.Contains(bodies[0], "\r\nhttps://e-tjanster.amal.example/mina-arenden\r\n") ||
		!strings.Contains(bodies[0], "In English:") || strings.Contains(bodies[0], "SBF") || strings.Contains(bodies[0], "eslut") {
		t.Errorf("it says\n%s\nand\n%s", bodies[0], bodies[1])
	}
	if len(b.dialed) != 1 || b.dialed[0] != "127.0.0.1:2525" {
		t.Errorf("dialed %v", b.dialed)
	}
}

// TestHostileAddresses: what a form says of where somebody is reached may be anything.
func TestHostileAddresses(t *testing.T) {
	b := newBench(t, setting{url: here})
	for _, email := range []string{
		"", "alva", "alva@", "@example.se", "alva@example", "alva@@example.se", "alva@example.se\r\nBcc: alla@example.se",
		"alva@example.se\nRCPT TO:<alla@example.se>", "alva@example.se>", "<alva@example.se>", "Alva <alva@example.se>",
		"alva@example.se, vera@example.se", "alva@example.se vera@example.se", "alva@example.se;vera@example.se",
		`"alva"@example.se`, `"a\r\nb"@example.se`, "alva(kommentar)@example.se", "alva@[127.0.0.1]", "alva@[IPv6:::1]",
		"alva@-example.se", "alva@example-.se", "alva@exa_mple.se", "alva@.se", "alva@example..se", "alva@example.se.",
		".alva@example.se", "alva.@example.se", "al..va@example.se", "alva@exämple.se", "älva@example.se", "alva\x00@example.se",
		"alva\u202e@example.se", "@relay.example:alva@example.se", "alva%vera@example@relay.se", "postmaster",
		strings.Repeat("a", 65) + "@example.se", "alva@" + strings.Repeat("a.", 125) + "se", "alva@" + strings.Repeat("a", 64) + ".se",
	} {
		if err := b.tell(t, contact(t, alva, email)); err != nil {
			t.Errorf("%q: %v", email, err)
		}
	}
	if len(b.Mails()) > 0 || len(b.dialed) > 0 {
		t.Errorf("sent are %d mails", len(b.Mails()))
	}
	if !strings.Contains(b.log.String(), "01JNAK0000000000000000000C-tell-2") {
		t.Error("nothing is said of them")
	}
	for _, email := range []string{"alva@example.se", "a.l-v_a+b@xn--exmple-cua.se", "o'brien@example.museum", "1@2.se", "a{b}@c.d.e.f.se"} {
		before := len(b.Mails())
		if err := b.tell(t, contact(t, alva, email)); err != nil || len(b.Mails()) != before+1 || b.Mails()[before].To != email {
			t.Errorf("%s gets no mail: %v", email, err)
		}
	}
}

// TestAnswers gives everything that a mail server may do with one mail.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, why string
		fault     mailsim.Fault
		answer    hub.Answer
		cause     hub.Cause
		taken     int
	}{
		{"taken", "", mailsim.NoFault, hub.Yes, "", 1},
		{"bad sender", "systems.yaml or the account must be mended", mailsim.BadSender, hub.NotNow, hub.Credentials, 0},
		{"no such person", "there is nobody else to tell", mailsim.NoSuchPerson, hub.No, "", 0},
		{"greylisted", "it is asked to come back", mailsim.Greylisted, hub.NotNow, "", 0},
		{"full", "it has no room now", mailsim.Full, hub.NotNow, "", 0},
		{"unwanted", "it does not want such mails", mailsim.Unwanted, hub.No, "", 0},
		{"hasty", "it says that it did not take it", mailsim.Hasty, hub.NotNow, "", 0},
		{"lost before", "nothing was sent", mailsim.LostBefore, hub.NotNow, hub.Down, 0},
		{"lost after", "it may have been taken", mailsim.LostAfter, hub.DontKnow, "", 1},
		{"lost goodbye", "it was taken", mailsim.LostGoodbye, hub.Yes, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, setting{url: here})
			b.Fail(c.fault)
			err := b.tell(t, contact(t, alva, "alva@example.se"))
			answer, _, cause := hub.AnswerOf(hub.Receipt{Number: "told"}, err)
			if answer != c.answer || cause != c.cause || b.Taken() != c.taken {
				t.Errorf("the answer is %s, %s (%v), and %d were taken: %s", answer, cause, err, b.Taken(), c.why)
			}
			if err := b.tell(t, contact(t, alva, "alva@example.se")); err != nil || b.Taken() != 1 {
				t.Errorf("told again, %d were taken: %v", b.Taken(), err)
			}
		})
	}
}

// TestOneOfTwo: what becomes of one mail is nothing that the other is to suffer for.
func TestOneOfTwo(t *testing.T) {
	for _, c := range []struct {
		name, why string
		faults    []mailsim.Fault
		first     hub.Answer
		taken     int // the first time
	}{
		{"the first is refused", "the second has heard", []mailsim.Fault{mailsim.NoSuchPerson}, hub.Yes, 1},
		{"the second is refused", "the first has heard", []mailsim.Fault{mailsim.NoFault, mailsim.NoSuchPerson}, hub.Yes, 1},
		{"both are refused", "nobody has heard", []mailsim.Fault{mailsim.NoSuchPerson, mailsim.NoSuchPerson}, hub.No, 0},
		{"the first is put off", "the second hears at once", []mailsim.Fault{mailsim.Greylisted}, hub.NotNow, 1},
		{"the second is put off", "the first hears once", []mailsim.Fault{mailsim.NoFault, mailsim.Greylisted}, hub.NotNow, 1},
		{"the line is lost", "the first hears once", []mailsim.Fault{mailsim.NoFault, mailsim.LostBefore}, hub.NotNow, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, setting{url: here})
			b.Fail(c.faults...)
			to := []hub.Contact{contact(t, alva, "alva@example.se"), contact(t, vera, "vera@example.se")}
			answer, _, _ := hub.AnswerOf(hub.Receipt{Number: "told"}, b.tell(t, to...))
			if answer != c.first || b.Taken() != c.taken {
				t.Errorf("the answer is %s, and %d were taken: %s", answer, b.Taken(), c.why)
			}
			if answer == hub.NotNow {
				if err := b.tell(t, to...); err != nil || b.Taken() != 2 {
					t.Errorf("told again, %d were taken: %v", b.Taken(), err)
				}
			}
			for _, e := range b.Ledger() {
				if e.Repeat {
					t.Error("somebody gets it twice")
				}
			}
		})
	}
}

// TestTheLineIsSecure off this machine, whatever the server says, or nothing is sent.
func TestTheLineIsSecure(t *testing.T) {
	const there = "smtp://127.0.0.1.nip.example"
	for _, c := range []struct {
		name   string
		set    setting
		dialed string
		cause  hub.Cause // "" when the mail is to be taken
		secure bool
	}{
		{"here, STARTTLS is offered", setting{url: here}, "127.0.0.1:2525", "", true},
		{"here, it is not", setting{url: here, plain: true}, "127.0.0.1:2525", "", false},
		{"there, it is not", setting{url: there, plain: true}, "127.0.0.1.nip.example:587", hub.Down, false},
		{"localhost is a name like others", setting{url: "smtp://localhost:25", plain: true}, "localhost:25", hub.Down, false},
		{"there, with a certificate for another name", setting{url: there}, "127.0.0.1.nip.example:587", hub.Credentials, false},
		{"with a certificate by nobody", setting{url: here, mistrust: true}, "127.0.0.1:2525", hub.Credentials, false},
		{"secure from the start", setting{url: "smtps://127.0.0.1"}, "127.0.0.1:465", "", true},
		{"the same, by nobody", setting{url: "smtps://127.0.0.1", mistrust: true}, "127.0.0.1:465", hub.Credentials, false},
		{"the wrong password", setting{url: here, password: "fel lösenord"}, "127.0.0.1:2525", hub.Credentials, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.set)
			err := b.tell(t, contact(t, alva, "alva@example.se"))
			answer, _, cause := hub.AnswerOf(hub.Receipt{Number: "told"}, err)
			if c.cause == "" {
				if err != nil || len(b.Mails()) != 1 || b.Mails()[0].Secure != c.secure {
					t.Errorf("%d mails are taken: %v", len(b.Mails()), err)
				}
			} else if answer != hub.NotNow || cause != c.cause || len(b.Mails()) > 0 {
				t.Errorf("the answer is %s, %s: %v", answer, cause, err)
			}
			if len(b.dialed) != 1 || b.dialed[0] != c.dialed {
				t.Errorf("dialed %v", b.dialed)
			}
		})
	}
}

// TestOnlyItsSteps: of the others there is no mail.
func TestOnlyItsSteps(t *testing.T) {
	b := newBench(t, setting{url: here, steps: []hub.Step{hub.Registrerat}})
	if err := b.tell(t, contact(t, alva, "alva@example.se")); err != nil || len(b.dialed) > 0 {
		t.Errorf("of another step the server is called: %v", err)
	}
}

func TestConfig(t *testing.T) {
	decode := connectortest.Decode(t, mail.New)
	t.Setenv("A", "hemligt")
	good := "url: smtp://post.amal.example\nfrom: svara-inte@amal.example\npage: https://amal.example/mina-arenden\n"
	env := hub.Env{ID: "a.b", Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no") }}
	if _, err := mail.New.Open(t.Context(), env, decode(good)); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ from, to, wrong string }{
		{"smtp://post.amal.example", "https://post.amal.example", "url"},
		{"smtp://post.amal.example", "smtp://post.amal.example/box", "url"},
		{"smtp://post.amal.example", "smtp://user@post.amal.example", "no user"},
		{"smtp://post.amal.example", "post.amal.example:587", "url"},
		{"svara-inte@amal.example", "Åmåls kommun", "from"},
		{"svara-inte@amal.example", `"a@b.se\r\nBcc: <c@d.se>"`, "from"},
		{"https://amal.example/mina-arenden", "mina-arenden", "page"},
		{"page:", "user: knutpunkt\npage:", "password"},
		{"page:", "steps: [klart]\npage:", "Step"},
	} {
		if _, err := mail.New.Open(t.Context(), env, decode(strings.Replace(good, c.from, c.to, 1))); err == nil || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", c.to, err)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"alva@example.se", "a b@c.d", "alva@example.se\r\nBcc: <a@b.se>", `"a"@b.se`, "a@b.se>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !mail.IsAddress(text) {
			return
		}
		read, err := stdmail.ParseAddress(text)
		if err != nil || read.Address != text || read.Name != "" || strings.ContainsAny(text, " \t\r\n<>()[],;:\\\"\x00") {
			t.Errorf("%q is taken for an address", text)
		}
	})
}

// TestABusyServerIsHungUpOn each time, also when somebody else is to be told after.
func TestABusyServerIsHungUpOn(t *testing.T) {
	var lines []*line
	env := hub.Env{
		ID: "karlskrona.post", Log: slog.New(slog.DiscardHandler), Clock: clock,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				io.WriteString(theirs, "220 mail.example\r\n")
				for said := bufio.NewScanner(theirs); said.Scan(); {
					io.WriteString(theirs, "421 Busy\r\n")
				}
			}()
			lines = append(lines, &line{Conn: ours})
			return lines[len(lines)-1], nil
		},
	}
	system, err := mail.New.Open(t.Context(), env, func(into any) error {
		*into.(*mail.Config) = mail.Config{URL: here, From: "svara-inte@amal.example", Page: "https://amal.example/mina-arenden"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{teller: system.Teller}
	err = b.tell(t, contact(t, alva, "alva@example.se"), contact(t, vera, "vera@example.se"))
	if a, _, _ := hub.AnswerOf(hub.Receipt{}, err); a != hub.NotNow || len(lines) != 2 {
		t.Errorf("called %d times, and %v", len(lines), err)
	}
	for i, l := range lines {
		if !l.hungUp {
			t.Errorf("the line of call %d is open still", i+1)
		}
	}
}

// A line knows whether we have hung up.
type line struct {
	net.Conn
	hungUp bool
}

func (l *line) Close() error {
	l.hungUp = true
	return l.Conn.Close()
}
