package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/kir"
	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// A parish is a hub that keeps a register of residents, and the files for it.
type parish struct {
	*testing.T
	dir, operator, secret string
	sim                   *kirsim.Sim
	files                 []string
}

func newParish(t *testing.T, residents, files int) *parish {
	t.Helper()
	o := demoOptions{dir: t.TempDir(), port: freePorts(t)}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	p := &parish{T: t, dir: o.dir, operator: fmt.Sprintf("127.0.0.1:%d", o.port+1), secret: strings.TrimSpace(read(filepath.Join(o.dir, "secrets", "registrator")))}
	var err error
	if p.sim, err = kirsim.New(kirsim.Options{Residents: residents, Files: files, Day: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for n := range files {
		p.file(fmt.Sprintf("GRUND%03d.XML", n+1), func(w io.Writer) error { return p.sim.Extract(w, n+1) })
	}
	p.file("ANDRAVI.XML", func(w io.Writer) error { return p.sim.Changes(w, files+1, time.Now(), p.sim.News(1)...) })
	return p
}

func (p *parish) file(name string, write func(io.Writer) error) {
	p.Helper()
	path := filepath.Join(p.dir, name)
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(write(f), f.Close())
	}
	if err != nil {
		p.Fatal(err)
	}
	p.files = append(p.files, path)
}

// serve starts the hub, and waits until it answers.
func (p *parish) serve() *process {
	p.Helper()
	running := start(p.T, "serve", "--config", p.dir)
	await(p.T, "ready", func() bool { return answers("http://"+p.operator+"/readyz", http.StatusOK) })
	return running
}

// residents runs the command, with the secret.
func (p *parish) residents(args ...string) *process {
	p.Helper()
	cmd := exec.Command(binary, append([]string{"residents"}, args...)...)
	cmd.Args = append(cmd.Args, "--config", p.dir, "--as", "registrator")
	cmd.Env = append(os.Environ(), secretVariable+"="+p.secret)
	return startCommand(p.T, cmd)
}

func (p *parish) post(method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequest(method, "http://"+p.operator+path, body)
	if err != nil {
		p.Fatal(err)
	}
	req.SetBasicAuth("registrator", p.secret)
	req.Header.Set("Content-Type", "application/xml")
	return http.DefaultClient.Do(req)
}

// kept is how many posts are kept of the file that is being read.
func (p *parish) kept() int {
	resp, err := p.post("GET", "/v1/registers", nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	var list struct{ Registers []fedRegister }
	if json.NewDecoder(resp.Body).Decode(&list) != nil || len(list.Registers) != 1 {
		return 0
	}
	return list.Registers[0].Posts
}

// TestResidentsSurviveAKill: the hub is killed while it reads the first file, and again while the
// command feeds it, and the register ends as the files have it.
func TestResidentsSurviveAKill(t *testing.T) {
	t.Parallel()
	p := newParish(t, 4000, 2)
	running := p.serve()
	half, feed := io.Pipe()
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		p.post("POST", "/v1/registers/eslov.kir/files", half)
	}()
	whole, err := os.ReadFile(p.files[0])
	if err != nil {
		t.Fatal(err)
	}
	feed.Write(whole[:len(whole)*3/4])
	await(t, "half read", func() bool { return p.kept() >= 1000 })
	running.end(syscall.SIGKILL)
	feed.CloseWithError(io.ErrUnexpectedEOF)
	<-posted

	running = p.serve()
	before := p.kept()
	if before < 1000 || before >= 2000 {
		t.Errorf("after the kill %d posts are kept", before)
	}
	if shown := p.residents(); shown.finish(t) != 0 || !strings.Contains(shown.out.String(), "En fil är läst till hälften") {
		t.Errorf("the command shows %s%s", shown.out.String(), shown.errs.String())
	}
	command := p.residents("import", "eslov.kir", p.files[2], p.files[1], p.files[0])
	await(t, "reading again", func() bool { return p.kept() != before })
	running.end(syscall.SIGKILL)
	running = p.serve()
	if code := command.finish(t); code != 0 {
		t.Fatalf("exit %d: %s", code, command.errs.String())
	}
	if said := command.out.String(); strings.Count(said, "\n") != 3 || !strings.Contains(said, "Härnäst: ändringsfilen med LopNr 4.") {
		t.Errorf("the command says %s", said)
	}
	again := p.residents("import", "eslov.kir", p.files[0])
	if code := again.finish(t); code != 0 || !strings.Contains(again.out.String(), "redan inläst") {
		t.Errorf("again: exit %d: %s%s", code, again.out.String(), again.errs.String())
	}
	p.sim.Serial = 7
	p.file("LATER.XML", func(w io.Writer) error { return p.sim.Changes(w, 7, time.Now()) })
	later := p.residents("import", "eslov.kir", p.files[3])
	if code := later.finish(t); code != exitFailed || !strings.Contains(later.errs.String(), "härnäst behövs ändringsfilen med LopNr 4") {
		t.Errorf("a gap: exit %d: %s", code, later.errs.String())
	}
	if other := p.residents("import", "eslov.diarium", p.files[0]); other.finish(t) != exitFailed {
		t.Error("into nothing")
	}
	running.end(syscall.SIGTERM)
	p.compare()
}

// compare looks everybody up in what is stored.
func (p *parish) compare() {
	p.Helper()
	keys, err := seal.Open("file:" + filepath.Join(p.dir, "secrets", "keys.json"))
	if err != nil {
		p.Fatal(err)
	}
	store, err := sqlite.Open(p.Context(), filepath.Join(p.dir, "data", "knutpunkt.db"), keys, sqlite.Options{Boot: "compare", Clock: time.Now})
	if err != nil {
		p.Fatal(err)
	}
	defer store.Close()
	system, err := kir.New.Open(p.Context(), hub.Env{
		Residents: hub.ResidentsOf(store, "eslov.kir", "1285"), Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	}, func(into any) error {
		*into.(*kir.Config) = kir.Config{Municipality: "1285", Order: kirsim.Order}
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
	changed := map[string]kirsim.Post{}
	for _, post := range p.sim.News(1) {
		changed[post.ID] = post
	}
	wrong := 0
	for n := range p.sim.Total() {
		if want := p.sim.Person(n); !rightly(p.Context(), system.Register, want, changed[want.ID]) {
			wrong++
		}
	}
	if wrong > 0 {
		p.Errorf("%d of %d residents are not as the files have them", wrong, p.sim.Total())
	}
}

// rightly reports whether a register tells of somebody as the extract and the changes have her.
func rightly(ctx context.Context, r hub.Register, want kirsim.Person, change kirsim.Post) bool {
	id, err := hub.ParsePersonID(want.ID)
	if err != nil {
		return false
	}
	p, err := r.Lookup(ctx, id)
	if strings.Contains(change.Parts, "<KommunKod>83") {
		return errors.Is(err, hub.ErrNotFound)
	}
	protection := hub.NotProtected
	switch {
	case want.Protected:
		protection = hub.ProtectedRegistration
	case want.Marked, change.Flags != "":
		protection = hub.Marked
	}
	dead := strings.Contains(change.Parts, "AV")
	street := want.Street
	if strings.Contains(change.Parts, "NYA GATAN") {
		street, _, _ = strings.Cut(change.Parts[strings.Index(change.Parts, "NYA GATAN"):], "<")
	}
	hasHome := p.Address != nil && p.Address.Street == street
	return err == nil && p.Family == want.Family && p.Given == want.Given && p.Protection == protection && p.Left.Deceased() == dead &&
		hasHome == (!dead && !want.Protected) && (dead || len(p.Guardians) == len(want.Guardians) && len(p.Children) == len(want.Children))
}

// TestFilesInTurn: they go in the order of their own numbers, and what has none stays where it is.
// TestPatienceBeginsWhenTheHubIsGone: a large file takes longer to read than anybody waits for a hub.
func TestPatienceBeginsWhenTheHubIsGone(t *testing.T) {
	t.Parallel()
	const patience = 100 * time.Millisecond
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries > 1 {
			fmt.Fprint(w, `{"text":"read"}`)
			return
		}
		io.CopyN(io.Discard, r.Body, 1)
		<-time.After(2 * patience) // as long as the file takes
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "GRUND001.XML")
	if err := os.WriteFile(file, []byte("<Navetavisering/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := &workplace{http: server.Client(), address: strings.TrimPrefix(server.URL, "http://")}
	f := &feeder{workplace: at, system: "eslov.kir", patience: patience}
	if said, err := f.feed(t.Context(), file); err != nil || said != "read" {
		t.Errorf("it says %q, %v", said, err)
	}
	server.Close() // nobody was there: it does not wait for ever
	if _, err := f.feed(t.Context(), file); !errors.Is(err, errGone) {
		t.Errorf("of a hub that is not there: %v", err)
	}
}

func TestFilesInTurn(t *testing.T) {
	p := &parish{T: t, dir: t.TempDir()}
	var err error
	if p.sim, err = kirsim.New(kirsim.Options{Residents: 8, Files: 2, Serial: 9, Day: time.Now()}); err != nil {
		t.Fatal(err)
	}
	p.file("b", func(w io.Writer) error { return p.sim.Changes(w, 11, time.Now()) })
	p.file("c", func(w io.Writer) error { return p.sim.Extract(w, 2) })
	p.file("a", func(w io.Writer) error { return p.sim.Extract(w, 1) })
	got, err := inTurn(p.files)
	if want := []string{p.files[2], p.files[1], p.files[0]}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
	p.file("page", func(w io.Writer) error { _, err := io.WriteString(w, "<html/>"); return err })
	if got, err := inTurn(p.files[3:]); err != nil || len(got) != 1 {
		t.Errorf("a page: %v (%v)", got, err)
	}
	if _, err := inTurn([]string{filepath.Join(p.dir, "nothing")}); err == nil {
		t.Error("nothing is read")
	}
}
