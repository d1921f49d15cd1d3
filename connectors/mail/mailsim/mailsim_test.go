package mailsim_test

import (
	"net"
	"net/textproto"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/mail/mailsim"
)

func open(t *testing.T, dir string) *mailsim.Sim {
	t.Helper()
	sim, err := mailsim.New(mailsim.Options{Dir: dir, Clock: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

// A line is what is said, and the code of the answer to it.
type line struct {
	say  string
	code int
}

// talk says lines to a server.
func talk(t *testing.T, sim *mailsim.Sim, lines []line) {
	t.Helper()
	ours, theirs := net.Pipe()
	go sim.Serve(theirs)
	defer ours.Close()
	text := textproto.NewConn(ours)
	for _, l := range append([]line{{"", 220}}, lines...) {
		if l.say != "" {
			if err := text.PrintfLine("%s", l.say); err != nil {
				t.Fatal(err)
			}
		}
		if code, _, err := text.ReadResponse(0); err != nil || code != l.code {
			t.Fatalf("to %q it answers %d and not %d: %v", l.say, code, l.code, err)
		}
	}
}

const letter = "From: <a@b.se>\r\nTo: <c@d.se>\r\nDate: Mon, 02 Mar 2026 12:00:00 +0100\r\nMessage-ID: <1@b.se>\r\n\r\n..hej\r\n."

var hello = []line{{"EHLO x", 250}, {"MAIL FROM:<a@b.se>", 250}}

func with(lines ...line) []line { return append(hello[:len(hello):len(hello)], lines...) }

func TestWhatItTakes(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []line
		taken int
	}{
		{"a mail", with(line{"RCPT TO:<c@d.se>", 250}, line{"DATA", 354}, line{letter, 250}, line{"QUIT", 221}), 1},
		{"two to one", with(line{"RCPT TO:<c@d.se>", 250}, line{"RCPT TO:<e@f.se>", 250}, line{"DATA", 503}), 0},
		{"to nobody", with(line{"DATA", 503}), 0},
		{"to two at once", with(line{"RCPT TO:<c@d.se>,<e@f.se>", 250}, line{"RCPT TO:<c@d.se,e@f.se>", 501}), 0},
		{"from nobody", []line{{"EHLO x", 250}, {"RCPT TO:<c@d.se>", 503}}, 0},
		{"no mail", with(line{"RCPT TO:<c@d.se>", 250}, line{"DATA", 354}, line{"hej\r\n.", 554}), 0},
		{"what it cannot do", []line{{"VRFY a", 502}, {"STARTTLS", 502}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := open(t, "")
			talk(t, sim, c.lines)
			if sim.Taken() != c.taken {
				t.Errorf("it has taken %d", sim.Taken())
			}
		})
	}
}

// TestItRemembers what it took before it was closed.
func TestItRemembers(t *testing.T) {
	dir := t.TempDir()
	sent := with(line{"RCPT TO:<c@d.se>", 250}, line{"DATA", 354}, line{letter, 250})
	sim := open(t, dir)
	talk(t, sim, sent)
	sim.Close()
	again := open(t, dir)
	talk(t, again, sent)
	taken := again.Ledger()
	if len(taken) != 2 || taken[0].Repeat || !taken[1].Repeat || taken[0].ID != "<1@b.se>" || again.Taken() != 1 {
		t.Errorf("it remembers %+v", taken)
	}
}
