package certify_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A flaw is a mistake that an author could make.
type flaw string

const (
	none             flaw = ""
	newKey           flaw = "a new key per attempt"
	neverFinds       flaw = "Find never finds"
	alwaysFinds      flaw = "Find finds what is not whole"
	busyIsNo         flaw = "503 as a Reject"
	downIsDoubt      flaw = "a refused connection as a don't know"
	quotesBody       flaw = "an error that quotes the answer"
	logsBody         flaw = "a log record with the document"
	ownClient        flaw = "an HTTP client of its own"
	follows          flaw = "a client that follows redirects"
	pageIsReceipt    flaw = "a receipt from a login page"
	lossIsLater      flaw = "a lost answer as a Later"
	blindFinds       flaw = "a blind operation that says that nothing is there"
	forgetsFile      flaw = "a delivery without its last file"
	hidesLag         flaw = "a lag that is not declared"
	createsTwice     flaw = "no look before a create"
	leavesOpen       flaw = "files that are not closed"
	readsMakes       flaw = "a create through the client for look-ups"
	ignoresContext   flaw = "calls that cannot be cancelled"
	sharesState      flaw = "one receipt for everybody"
	findTrustsPage   flaw = "Find takes a login page for nothing found"
	pageIsNobody     flaw = "a register that takes HTML for nobody"
	numberInURL      flaw = "a register with the number in the address"
	anyAnswer        flaw = "a register that does not look at whom the answer is about"
	forgetsMark      flaw = "a register that does not read the mark of protection"
	freshIDs         flaw = "a new ID for each telling of a word"
	cursorSkips      flaw = "a cursor by the newest time"
	pageIsSilence    flaw = "a login page as nothing that happened"
	tellsTwice       flaw = "a telling under a new name each time"
	tellsFirst       flaw = "only the first of those who are to be told"
	tellsNobody      flaw = "a refusal where nobody is to be told"
	quotesForm       flaw = "a Malformed that quotes"
	refusesForm      flaw = "a plain error for what breaks the format"
	readsTime        flaw = "a Submission that depends on when it is read"
	goneWhenDown     flaw = "500 as ErrGone"
	halfFile         flaw = "half a file as a whole one"
	neverGone        flaw = "404 as a plain error"
	callsAtOpen      flaw = "an Open that calls the system"
	panicsOnHTML     flaw = "a panic on an answer that is not JSON"
	noReceiptParts   flaw = "a receipt without its parts"
	findsNoParts     flaw = "a found receipt without its parts"
	retriesInside    flaw = "a second try of its own"
	undocumented     flaw = "an undocumented field"
	cannotTellLookup flaw = "a lookup operation that cannot tell"
	boasts           flaw = "a lookup operation that says that it is idempotent"
	doubtsRefusal    flaw = "a refusal as a don't know"
	missesNumber     flaw = "the number is looked for where it is not"
	repeatsNumber    flaw = "the first number of all is each case's"
	okIsTaken        flaw = "200 OK as a yes, whatever it says"
	anyCharset       flaw = "an answer that is read whatever charset it is in"
	anyKey           flaw = "Find takes what is found without looking whose it is"
	oneRead          flaw = "an answer that is read in one piece"
	readsOn          flaw = "an answer that is read to its end, whoever has given up"
	renamesWord      flaw = "a word's ID is its place in what was told"
	pollsFreshIDs    flaw = "a new ID each time that a case is asked about"
	pollsNewest      flaw = "a word that is older than the last is not told"
	pollsNobodys     flaw = "a report of nobody's case"
	pollsPage        flaw = "a login page as a case that has not moved"
	pollsStuck       flaw = "a question that cannot be cancelled"
)

type config struct {
	URL   string     `yaml:"url" doc:"where the diarium's API begins"`
	Token hub.Secret `yaml:"token" doc:"the hub's access token"`
}

type undocumentedConfig struct {
	URL   string     `yaml:"url" doc:"where the diarium's API begins"`
	Token hub.Secret `yaml:"token"`
}

const summary = "Registers cases in a diarium over REST."

// diariumWith is a connector to the diarium of fake_test.go, with one mistake. It
// plays only the role that is named, where one is.
func diariumWith(f flaw, role string) hub.Connector {
	open := func(ctx context.Context, env hub.Env, c config) (hub.System, error) {
		d := &diarium{env: env, conf: c, flaw: f}
		if f == callsAtOpen {
			d.get(ctx, "/arenden?nyckel=x")
		}
		level, lag := hub.Lookup, 2*time.Second
		switch f {
		case hidesLag:
			lag = 0
		case boasts:
			level = hub.Idempotent
		}
		return only(role, hub.System{
			Destination: d, Register: d, Tracker: d, Poller: d, Teller: d, Source: d, Fetcher: d,
			Can: hub.Capabilities{
				"arende":     {Level: hub.Idempotent, Lag: 2 * time.Second},
				"handlingar": {Level: level, Lag: lag},
				"anteckning": {Level: hub.Blind},
			},
		}), nil
	}
	if f == undocumented {
		return hub.Define("diarium", summary, func(ctx context.Context, env hub.Env, c undocumentedConfig) (hub.System, error) {
			return open(ctx, env, config(c))
		})
	}
	return hub.Define("diarium", summary, open)
}

// only leaves a system one role.
func only(role string, s hub.System) hub.System {
	switch role {
	case "", "connector":
		return s
	case "register":
		return hub.System{Register: s.Register}
	case "tracker":
		return hub.System{Tracker: s.Tracker}
	case "poller":
		return hub.System{Poller: s.Poller, Destination: s.Destination, Can: hub.Capabilities{"arende": s.Can["arende"]}}
	case "teller":
		return hub.System{Teller: s.Teller}
	case "source":
		return hub.System{Source: s.Source}
	case "fetcher":
		return hub.System{Fetcher: s.Fetcher}
	}
	operation := strings.TrimPrefix(role, "destination ")
	return hub.System{Destination: s.Destination, Can: hub.Capabilities{operation: s.Can[operation]}}
}

type diarium struct {
	env      hub.Env
	conf     config
	flaw     flaw
	attempts atomic.Int64
	last     atomic.Pointer[hub.Receipt]
}

// An arende is what the diarium says of a case.
type arende struct {
	Key        string    `json:"nyckel"`
	Number     string    `json:"diarienummer"`
	Registered time.Time `json:"registrerat"`
	Files      []string  `json:"handlingar"`
	None       bool      `json:"saknas"`
}

func (d *diarium) Deliver(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	if last := d.last.Load(); d.flaw == sharesState && last != nil {
		return *last, nil
	}
	key := string(del.Key)
	if d.flaw == newKey {
		key += fmt.Sprint(d.attempts.Add(1))
	}
	if d.flaw == logsBody {
		d.env.Log.Info("deliver", "document", string(del.Document.Reveal()))
	}
	if del.Operation == "anteckning" {
		return d.receipt(d.post(ctx, "/anteckningar", key, del.Document.Reveal()))
	}
	a, err := arende{None: true}, error(nil)
	if del.Operation == "handlingar" && d.flaw != createsTwice {
		if a, err = d.look(ctx, del.Key); err != nil {
			return hub.Receipt{}, err
		}
	}
	if a.None {
		if a, err = d.post(ctx, "/arenden?kind="+url.QueryEscape(del.Operation), key, del.Document.Reveal()); err != nil {
			return hub.Receipt{}, err
		}
	}
	r, err := d.receipt(a, nil)
	if err != nil {
		return r, err
	}
	for i, f := range del.Files {
		sum := hex.EncodeToString(f.Blob.SHA256[:])
		if !(d.flaw == forgetsFile && i == len(del.Files)-1) && !contains(a.Files, sum) {
			if err := d.hand(ctx, a.Number, sum, f); err != nil {
				return hub.Receipt{}, err
			}
		}
		if d.flaw != noReceiptParts {
			r.Parts = append(r.Parts, hub.Part{SHA256: sum})
		}
	}
	if last := d.last.Load(); d.flaw == repeatsNumber && last != nil {
		r.Number = last.Number
	}
	d.last.Store(&r)
	return r, nil
}

func contains(all []string, one string) bool { return strings.Contains(strings.Join(all, " "), one) }

func (d *diarium) hand(ctx context.Context, number, sum string, f hub.File) error {
	r, err := f.Open(ctx)
	if err != nil {
		return hub.Later(errors.New("open file"), 0)
	}
	if d.flaw != leavesOpen {
		defer r.Close()
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return hub.Later(errors.New("read file"), 0)
	}
	a, err := d.post(ctx, "/handlingar?nr="+url.QueryEscape(number)+"&sha="+sum, "", body)
	if err == nil && a.Number == "" && d.flaw != okIsTaken {
		err = errPage
	}
	return err
}

func (d *diarium) Find(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	switch {
	case del.Operation == "anteckning" && d.flaw == blindFinds, d.flaw == neverFinds:
		return hub.Receipt{}, hub.ErrNotFound
	case del.Operation == "anteckning", del.Operation == "handlingar" && d.flaw == cannotTellLookup:
		return hub.Receipt{}, hub.ErrCannotTell
	}
	a, err := d.look(ctx, del.Key)
	if err != nil {
		if d.flaw == findTrustsPage && errors.Is(err, errPage) {
			err = hub.ErrNotFound
		}
		return hub.Receipt{}, err
	}
	r, err := d.receipt(a, nil)
	if a.None || d.flaw != alwaysFinds && len(a.Files) < len(del.Files) {
		return hub.Receipt{}, hub.ErrNotFound
	}
	for _, sum := range a.Files {
		if d.flaw != findsNoParts {
			r.Parts = append(r.Parts, hub.Part{SHA256: sum})
		}
	}
	return r, err
}

func (d *diarium) receipt(a arende, err error) (hub.Receipt, error) {
	if d.flaw == missesNumber {
		a.Number = ""
	}
	if err == nil && a.Number == "" && !a.None && d.flaw != pageIsReceipt {
		err = hub.Strange(errors.New("no diarienummer in the answer"))
	}
	return hub.Receipt{Number: a.Number, At: a.Registered}, err
}

func (d *diarium) look(ctx context.Context, key hub.Key) (a arende, err error) {
	body, err := d.get(ctx, "/arenden?nyckel="+url.QueryEscape(string(key)))
	if err != nil {
		return a, err
	}
	if a, err = parse[arende](body); err == nil && a.Number == "" && !a.None {
		err = hub.Strange(errors.New("no diarienummer in the answer"))
	}
	if err == nil && !a.None && a.Key != string(key) && d.flaw != anyKey {
		err = hub.Strange(errors.New("the answer is about another key"))
	}
	return a, err
}

func (d *diarium) post(ctx context.Context, path, key string, body []byte) (a arende, err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", d.conf.URL+path, bytes.NewReader(body))
	if err != nil {
		return a, errors.New("bad address")
	}
	if key != "" {
		req.Header.Set("Nyckel", key)
	}
	client := d.env.HTTP
	if d.flaw == readsMakes {
		client = d.env.Reads
	}
	text, err := d.do(client, req)
	if d.flaw == retriesInside && err != nil && verdict(err) == hub.DontKnow {
		req.Body = io.NopCloser(bytes.NewReader(body))
		text, err = d.do(client, req)
	}
	if err != nil {
		return a, err
	}
	if a, err = parse[arende](text); d.flaw == pageIsReceipt {
		err = nil
	}
	return a, err
}

func verdict(err error) hub.Answer {
	a, _, _ := hub.AnswerOf(hub.Receipt{}, err)
	return a
}

func (d *diarium) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", d.conf.URL+path, nil)
	if err != nil {
		return nil, errors.New("bad address")
	}
	return d.do(d.env.Reads, req)
}

func (d *diarium) do(client *http.Client, req *http.Request) ([]byte, error) {
	req.Header.Set("Authorization", "Bearer "+d.conf.Token.Reveal())
	switch d.flaw {
	case ownClient:
		client = http.DefaultClient
	case follows:
		client = &http.Client{Transport: client.Transport}
	case ignoresContext:
		req = req.WithContext(context.Background())
	case readsOn:
		if req.Context().Err() == nil {
			req = req.WithContext(context.Background())
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		switch {
		case d.flaw == downIsDoubt:
			return nil, errors.New("no answer")
		case d.flaw == lossIsLater:
			return nil, hub.Later(errors.New("no answer"), 0)
		}
		return nil, fmt.Errorf("call the diarium: %w", errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := d.readAll(resp.Body)
	if err != nil {
		if d.flaw == lossIsLater {
			return nil, hub.Later(errors.New("half an answer"), 0)
		}
		return nil, errors.New("half an answer")
	}
	if err = hub.ByStatus(resp, d.env.Clock()); err == nil && !utf8.Valid(body) && d.flaw != anyCharset {
		err = errPage
	}
	switch {
	case d.flaw == busyIsNo && resp.StatusCode == 503:
		return nil, hub.Reject(err)
	case d.flaw == doubtsRefusal && resp.StatusCode == 422:
		return nil, errors.New("422")
	case d.flaw == quotesBody && err != nil:
		return nil, hub.Reject(fmt.Errorf("the diarium says %s", body))
	}
	if d.flaw == panicsOnHTML && strings.HasPrefix(string(body), "<") {
		panic("html")
	}
	return body, err
}

func (d *diarium) readAll(r io.Reader) ([]byte, error) {
	if d.flaw == oneRead {
		some := make([]byte, 1<<10)
		n, err := r.Read(some)
		if err == io.EOF {
			err = nil
		}
		return some[:n], err
	}
	return io.ReadAll(io.LimitReader(r, 1<<20))
}

var errPage = hub.Strange(errors.New("the answer is no JSON"))

func parse[T any](body []byte) (v T, err error) {
	if json.Unmarshal(body, &v) != nil {
		return v, errPage
	}
	return v, nil
}

// A person is what the diarium's register says.
type person struct {
	Number    string `json:"personnummer"`
	Missing   bool   `json:"saknas"`
	Protected bool   `json:"skyddad"`
	Street    string `json:"gata"`
}

func (d *diarium) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	path := d.conf.URL + "/personer"
	if d.flaw == numberInURL {
		path += "?nr=" + id.Reveal()
	}
	req, err := http.NewRequestWithContext(ctx, "POST", path, strings.NewReader(id.Reveal()))
	if err != nil {
		return hub.Person{}, errors.New("bad address")
	}
	body, err := d.do(d.env.Reads, req)
	if err != nil {
		return hub.Person{}, err
	}
	p, err := parse[person](body)
	found, idErr := hub.ParsePersonID(p.Number)
	switch {
	case p.Missing, err != nil && d.flaw == pageIsNobody:
		return hub.Person{}, hub.ErrNotFound
	case err != nil:
		return hub.Person{}, err
	case idErr != nil:
		return hub.Person{}, errPage
	case found != id && d.flaw != anyAnswer:
		return hub.Person{}, hub.ErrMismatch
	}
	who := hub.Person{ID: found, Protection: hub.NotProtected, AsOf: d.env.Clock()}
	if p.Protected && d.flaw != forgetsMark {
		who.Protection = hub.ProtectedRegistration
	}
	if p.Street != "" {
		who.Address = &hub.Address{Street: p.Street}
	}
	return who, nil
}

// A handelse is something that happened to a case.
type handelse struct {
	ID     string    `json:"id"`
	Number string    `json:"diarienummer"`
	Word   string    `json:"ord"`
	At     time.Time `json:"tid"`
}

func (d *diarium) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	body, err := d.get(ctx, "/handelser?efter="+url.QueryEscape(string(since)))
	if err != nil {
		return nil, since, err
	}
	list, err := parse[*struct{ Events []handelse }](body)
	if err != nil || list == nil || list.Events == nil {
		if d.flaw == pageIsSilence {
			return nil, since, nil
		}
		return nil, since, errPage
	}
	var reports []hub.Report
	cursor := since
	for _, e := range list.Events {
		if d.flaw == cursorSkips {
			if at := e.At.Format(time.RFC3339); at > string(since) {
				cursor = hub.Cursor(max(string(cursor), at))
			} else {
				continue
			}
		} else {
			cursor = hub.Cursor(e.ID)
		}
		switch d.flaw {
		case freshIDs:
			e.ID += fmt.Sprint(d.attempts.Add(1))
		case renamesWord:
			e.ID = fmt.Sprint(len(list.Events) - len(reports))
		}
		reports = append(reports, hub.Report{System: d.env.ID, ID: e.ID, Ref: e.Number, Word: e.Word, At: e.At})
	}
	return reports, cursor, nil
}

func (d *diarium) Poll(ctx context.Context, del hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	if d.flaw == pollsStuck {
		ctx = context.Background()
	}
	body, err := d.get(ctx, "/handelser?nr="+url.QueryEscape(r.Number))
	if err != nil {
		return nil, err
	}
	list, err := parse[*struct{ Events []handelse }](body)
	if err != nil || list == nil || list.Events == nil {
		if d.flaw == pollsPage {
			return nil, nil
		}
		return nil, errPage
	}
	var reports []hub.Report
	for _, e := range list.Events {
		switch {
		case d.flaw == pollsFreshIDs:
			e.ID += fmt.Sprint(d.attempts.Add(1))
		case d.flaw == pollsNewest && len(reports) > 0 && e.At.Before(reports[0].At):
			continue
		}
		one := hub.Report{System: d.env.ID, ID: e.ID, Key: del.Key, Word: e.Word, At: e.At}
		if d.flaw == pollsNobodys {
			one.Key = ""
		}
		reports = append(reports, one)
	}
	return reports, nil
}

func (d *diarium) Tell(ctx context.Context, t hub.Telling) error {
	if len(t.To) == 0 && d.flaw == tellsNobody {
		return hub.Reject(errors.New("nobody to tell"))
	}
	for i := range t.To {
		name := fmt.Sprint(t.Key, " ", i)
		if d.flaw == tellsTwice {
			name += fmt.Sprint(" ", d.attempts.Add(1))
		}
		a, err := d.post(ctx, "/besked", name, nil)
		if err == nil && a.Number == "" {
			err = errPage
		}
		if err != nil || d.flaw == tellsFirst {
			return err
		}
	}
	return nil
}

func (d *diarium) Fetch(ctx context.Context, ref hub.Fetch, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, "GET", d.conf.URL+"/filer?id="+url.QueryEscape(ref.File), nil)
	if err != nil {
		return errors.New("bad address")
	}
	req.Header.Set("Authorization", "Bearer "+d.conf.Token.Reveal())
	resp, err := d.env.Reads.Do(req)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case (code == 404 || code == 410) && d.flaw != neverGone, code == 500 && d.flaw == goneWhenDown:
		return hub.ErrGone
	case code != 200:
		return hub.ByStatus(resp, d.env.Clock())
	}
	if _, err := io.Copy(w, resp.Body); err != nil && d.flaw != halfFile {
		return errors.New("half a file")
	}
	return nil
}

// A blankett is a form as the diarium's own pages post it.
type blankett struct {
	ID      string `json:"id"`
	Service string `json:"tjanst"`
	Answers any    `json:"svar"`
}

func (d *diarium) Read(_ context.Context, in hub.Incoming, _ hub.Blobs) (hub.Submission, error) {
	body, err := io.ReadAll(io.LimitReader(in.Body, 1<<20))
	if err != nil {
		return hub.Submission{}, errors.New("the sender broke off")
	}
	b, err := parse[blankett](body)
	switch {
	case err != nil && d.flaw == refusesForm:
		return hub.Submission{}, err
	case err != nil && d.flaw == quotesForm:
		return hub.Submission{}, &hub.Malformed{Kind: "json", Detail: string(body)}
	case err != nil:
		return hub.Submission{}, &hub.Malformed{Kind: "json", Detail: "the form is no JSON"}
	}
	s := hub.Submission{
		Municipality: "1080", Service: b.Service, Answers: hub.NewAnswers(b.Answers),
		Source: hub.Ref{System: d.env.ID, ID: b.ID},
	}
	if d.flaw == readsTime {
		s.Source.Version = fmt.Sprint(d.attempts.Add(1))
	}
	return s, nil
}
