package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A fedRegister takes files that are so many bytes, or gives an error.
type fedRegister struct {
	mu    sync.Mutex
	bytes int64
	err   error
	fed   hub.Fed
}

func (f *fedRegister) Import(_ context.Context, file io.Reader, _ func(hub.Imported)) (hub.Imported, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return hub.Imported{}, f.err
	}
	n, err := io.Copy(io.Discard, file)
	f.bytes += n
	return hub.Imported{Posts: 3, Of: 3, AsOf: f.fed.AsOf}, err
}

func (f *fedRegister) Fed(context.Context) (hub.Fed, error) { return f.fed, nil }

func registerBed(t *testing.T) (*bed, *fedRegister) {
	b := makeBed(t)
	day := time.Now().In(hub.Stockholm).Truncate(time.Second)
	f := &fedRegister{fed: hub.Fed{Bookmark: hub.Bookmark{Files: 2, Posts: 500, AsOf: day}, Until: day.Add(time.Hour), Next: "ändringsfilen med LopNr 45"}}
	b.importer = f
	b.start(t)
	return b, f
}

const fileBody = "Content-Type: application/xml"

// TestARegisterIsFed: a file of any size goes in, and what comes next is said.
func TestARegisterIsFed(t *testing.T) {
	b, f := registerBed(t)
	const large = 300 << 20 // more than a form and its files may be
	req, err := http.NewRequest("POST", b.operator.URL+"/v1/registers/karlskrona.kir/files", io.LimitReader(zeros{}, large))
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(registrator, ": ")
	req.Header.Set(name, value)
	req.Header.Set("Content-Type", "application/xml")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || f.bytes != large {
		t.Fatalf("%d %s (%v), %d bytes", resp.StatusCode, text, err, f.bytes)
	}
	if said := string(text); !strings.Contains(said, "3 poster inlästa. Registret gäller per ") || !strings.Contains(said, `"next":"ändringsfilen med LopNr 45"`) {
		t.Errorf("it is said: %s", said)
	}
	var list struct {
		Registers []struct {
			System, Next, Text string
			Files, Posts       int
			Recent, Feeds      bool
		}
	}
	decode(t, ask(t, b.operator, "GET", "/v1/registers", "", registrator), &list)
	if len(list.Registers) != 1 || list.Registers[0].System != "karlskrona.kir" || !list.Registers[0].Recent || !list.Registers[0].Feeds ||
		list.Registers[0].Files != 2 || !strings.Contains(list.Registers[0].Text, "läst till hälften") {
		t.Errorf("the registers are %+v", list.Registers)
	}
	decode(t, ask(t, b.operator, "GET", "/v1/registers", "", eslovare), &list)
	if len(list.Registers) != 0 {
		t.Errorf("another municipality is told of %+v", list.Registers)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFilesThatAreRefused: by who may not, and of what is no file of the register.
func TestFilesThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name, who, system, media string
		err                      error
		status                   int
		says                     string
	}{
		{"nobody", "X-Nobody: 1", "karlskrona.kir", fileBody, nil, 401, "unknown-operator"},
		{"a client", bearer(portalToken), "karlskrona.kir", fileBody, nil, 401, "unknown-operator"},
		{"another municipality's", eslovare, "karlskrona.kir", fileBody, nil, 404, "not-found"},
		{"nothing there", registrator, "karlskrona.faxen", fileBody, nil, 404, "not-found"},
		{"no register", registrator, "karlskrona.diarium", fileBody, nil, 404, "not-found"},
		{"JSON", registrator, "karlskrona.kir", jsonBody, nil, 415, "unsupported-media-type"},
		{"another site's page", registrator + "\nOrigin: https://evil.example", "karlskrona.kir", fileBody, nil, 403, "cross-origin"},
		{"not its turn", registrator, "karlskrona.kir", fileBody, &hub.Misplaced{Detail: "härnäst behövs ändringsfilen med LopNr 45"}, 409,
			"Härnäst behövs ändringsfilen med LopNr 45. Inget är ändrat"},
		{"broken", registrator, "karlskrona.kir", fileBody, &hub.Malformed{Kind: "truncated", Detail: "filen är avkortad"}, 422, "Filen är avkortad. Registret säger vad det sade förut"},
		{"no room", registrator, "karlskrona.kir", fileBody, hub.ErrStorage, 507, "storage-degraded"},
		{"something else reads", registrator, "karlskrona.kir", fileBody, hub.ErrImporting, 409, "En annan fil läses just in"},
		{"a fault of ours", registrator, "karlskrona.kir", fileBody, errors.New("hemligt"), 500, "internal-error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, f := registerBed(t)
			f.err = test.err
			a := ask(t, b.operator, "POST", "/v1/registers/"+test.system+"/files", "<Navetavisering/>", append(strings.Split(test.who, "\n"), test.media)...)
			if a.status != test.status || !strings.Contains(a.body, test.says) || strings.Contains(a.body, "hemligt") {
				t.Errorf("%d %s, want %d %s", a.status, a.body, test.status, test.says)
			}
			if f.bytes > 0 {
				t.Error("something was read")
			}
		})
	}
}
