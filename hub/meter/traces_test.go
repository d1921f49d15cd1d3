package meter_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	collect "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/meter"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// What must never be seen in a trace: Skatteverket's test number, names, addresses with what
// stands after their ?, what callers send beside the form, and what the environment says.
var canaries = []string{
	"199001012385", "9001012385", "Alva", "Exempelsson", "Provgatan", "altan", "intyg", "diarium.example", "navet.example", "personnummer=",
	"SBN 2026/", "hemligt-bagage", "hemligt-tillstand", "hemlig-nyckel", "ur-miljon", "en bild", "oep-4711",
}

var alva, _ = hub.ParsePersonID(canaries[0])

// A collector takes spans as OpenTelemetry's own does, and keeps every byte.
type collector struct {
	mu    sync.Mutex
	bytes []byte
	spans []*otlp.Span
	from  map[string]string // what all of them said of who tells
	wrong error
	down  func(context.Context) (*http.Response, error) // what it does instead; nil for nothing
}

func (c *collector) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.down != nil {
		return c.down(req.Context())
	}
	body, _ := io.ReadAll(req.Body)
	var told collect.ExportTraceServiceRequest
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := proto.Unmarshal(body, &told); err != nil || req.Header.Get("Authorization") != "Bearer för-insamlaren" {
		c.wrong = fmt.Errorf("%v, of %q", err, req.Header)
	}
	c.bytes = append(c.bytes, body...)
	for _, of := range told.ResourceSpans {
		c.from = map[string]string{}
		for _, a := range of.Resource.Attributes {
			c.from[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range of.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

// called gives the spans of a name.
func (c *collector) called(name string) (all []*otlp.Span) {
	for _, s := range c.spans {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

// traced makes a Meter that tells a collector.
func traced(c *collector, ratio float64, boot string) *meter.Meter {
	m := meter.New(time.Now)
	m.Trace(meter.Traces{
		To: "https://collector.example/v1/traces", Ratio: ratio, Token: hub.NewSecret("för-insamlaren"), HTTP: &http.Client{Transport: c},
		Boot: boot, Version: "1", Log: slog.New(slog.DiscardHandler),
	})
	return m
}

// silence is a bus that nobody hears: the sweeper finds everything.
type silence struct{}

func (silence) Wake(context.Context, hub.Wake)                 {}
func (silence) Wakes(context.Context) (<-chan hub.Wake, error) { return make(chan hub.Wake), nil }
func (silence) Close() error                                   { return nil }

// A journey is a hub that is metered, with a register and a diarium that are called by HTTP.
type journey struct {
	dir   string
	keys  *seal.Keys
	meter *meter.Meter
	store hub.Store
	hub   *hub.Hub
	stop  func()

	public   hub.Publisher // who makes the feed known outside; nil for nobody
	collects hub.Collector // of forms; nil where they are posted
	slow     time.Duration // how long a form takes to come
	mu       sync.Mutex
	lose     int           // how many of the diarium's next receipts get lost
	taken    bool          // the diarium has the case
	report   bool          // it has something to tell of it
	arrived  chan struct{} // hears of each case that comes to the diarium; nil for nobody
	asked    []http.Header // of the requests that have come to the two
}

func newJourney(t testing.TB) *journey {
	t.Helper()
	j := &journey{dir: t.TempDir()}
	path := filepath.Join(j.dir, "keys.json")
	if err := seal.Init(path, "1080"); err != nil {
		t.Fatal(err)
	}
	var err error
	if j.keys, err = seal.Open("file:" + path); err != nil {
		t.Fatal(err)
	}
	return j
}

// begin starts a process.
func (j *journey) begin(t testing.TB, m *meter.Meter, boot string) {
	t.Helper()
	store, err := sqlite.Open(context.Background(), filepath.Join(j.dir, "k.db"), j.keys, sqlite.Options{Boot: boot, Clock: time.Now,
		DiskFree: func() (int64, int64, error) { return 1 << 40, 1 << 41, nil }})
	if err != nil {
		t.Fatal(err)
	}
	j.meter, j.store = m, m.Store(store)
	whole := func(hub.Known) ([]hub.Party, error) { return []hub.Party{{ID: alva}}, nil }
	bundle := &hub.Bundle{Revision: "r", Archive: []byte("r"), Municipalities: map[hub.Municipality]hub.MunicipalityText{"1080": {}}, Routes: []*hub.Route{{
		Municipality: "1080", From: "shared.oep", Service: "702", Protected: hub.Hold,
		Enrich: []hub.Enrichment{{Register: "k.navet", As: "sökande", Find: whole}},
		Legs:   []hub.Leg{{Name: "diarium", To: "k.diarium", On: hub.First, Mapping: paper{}, Step: hub.Registrerat, Voice: true}},
	}}}
	way := func(id hub.SystemID) *http.Client { return &http.Client{Transport: m.Calls(id)(goes(j.answer))} }
	j.hub = hub.New(hub.Options{
		Store: j.store, Bus: m.Bus(silence{}), Bundle: bundle, Boot: boot, Clock: time.Now, Jitter: func() float64 { return .5 },
		Log: slog.New(slog.DiscardHandler), Trace: m.Stages(), Publisher: j.public, Sweep: 5 * time.Second, Book: 24 * time.Hour,
		Systems: []hub.Opened{
			{ID: "k.navet", System: m.System("k.navet", "navet", hub.System{Register: navet{way("k.navet")}})},
			{ID: "k.diarium", Words: map[string]hub.Step{"beslutat": hub.Beslutat}, System: m.System("k.diarium", "sif", hub.System{
				Destination: diarium{j, way("k.diarium")}, Tracker: diarium{j, way("k.diarium")}, Can: hub.Capabilities{"case": {Level: hub.Lookup}},
			})},
			{ID: "k.torg", System: hub.System{Collector: j.collects}},
		},
	})
	m.Watch(j.hub, j.store, slog.New(slog.DiscardHandler))
	if err := j.hub.Activate(context.Background(), bundle); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { j.hub.Run(ctx); close(done) }()
	j.stop = func() {
		cancel()
		<-done
		j.store.Close()
		m.Close(context.Background())
	}
}

// answer is what the register and the diarium answer to each request.
func (j *journey) answer(req *http.Request) (*http.Response, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = append(j.asked, req.Header)
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
	}
	if j.arrived != nil && req.Method == "POST" && strings.HasSuffix(req.URL.Path, "/cases") {
		j.arrived <- struct{}{}
	}
	answered := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}
	switch {
	case strings.HasSuffix(req.URL.Path, "/cases") && req.Method == "POST":
		if j.taken = true; j.lose > 0 {
			j.lose--
			return nil, errors.New("reset while Alva Exempelsson was sent")
		}
	case strings.HasSuffix(req.URL.Path, "/cases") && !j.taken:
		answered.StatusCode = 404
	}
	return answered, nil
}

// navet asks about a person as one should not: with her number in the address.
type navet struct{ http *http.Client }

func (n navet) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	if err := call(ctx, n.http, "POST", "https://navet.example/?personnummer="+id.Reveal()); err != nil {
		return hub.Person{}, err
	}
	return hub.Person{ID: id, Given: "Alva", Family: "Exempelsson", Protection: hub.NotProtected}, nil
}

// diarium is a system that can be asked.
type diarium struct {
	*journey
	http *http.Client
}

func (d diarium) Deliver(ctx context.Context, _ hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{Number: "SBN 2026/1"}, call(ctx, d.http, "POST", "https://diarium.example/cases?sokande=Alva")
}

func (d diarium) Find(ctx context.Context, _ hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{Number: "SBN 2026/1"}, call(ctx, d.http, "GET", "https://diarium.example/cases?sokande=Alva")
}

func (d diarium) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	if err := call(ctx, d.http, "GET", "https://diarium.example/changes"); err != nil {
		return nil, since, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.report {
		return nil, since, nil
	}
	return []hub.Report{{ID: "1", Ref: "SBN 2026/1", Word: "Beslutat", At: time.Now()}}, "1", nil
}

func call(ctx context.Context, c *http.Client, method, address string) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader("Alva Exempelsson, Provgatan 1"))
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return hub.WithoutAddress(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == 404 {
		return hub.ErrNotFound
	}
	return hub.ByStatus(resp, time.Now())
}

// paper is a mapping.
type paper struct{}

func (paper) Operation() string { return "case" }
func (paper) Render(k hub.Known) (hub.Document, error) {
	return hub.NewDocument("text/plain", []byte(k.Answers["sökande"].Persons[0].Family)), nil
}

// send posts a form as a platform does that traces its own work, and says more than it should.
func (j *journey) send(t testing.TB, instance string) hub.Received {
	t.Helper()
	var r hub.Received
	intake := j.meter.Incoming(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		in, err := j.store.Intake(req.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		file, err := in.Put(req.Context(), strings.NewReader("en bild"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(j.slow) // virtual
		r, err = j.hub.Receive(req.Context(), hub.Arrival{Client: "oep", Intake: in, Submission: hub.Submission{
			Municipality: "1080", Service: "702", Source: hub.Ref{System: "shared.oep", ID: instance, Version: "1"},
			Parties:     []hub.Party{{Role: "sökande", ID: alva, Given: "Alva", Family: "Exempelsson", Email: "alva@Provgatan.example"}},
			Answers:     hub.NewAnswers(map[string]any{"vad": "altan"}),
			Attachments: []hub.Attachment{{Name: "intyg.pdf", Type: "application/pdf", Size: file.Size, Blob: file}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}))
	post := httptest.NewRequest("POST", "/v1/sources/oep?personnummer=199001012385", nil)
	post.Header.Set("traceparent", "00-"+theirTrace+"-"+theirSpan+"-01")
	post.Header.Set("tracestate", "oep=hemligt-tillstand")
	post.Header.Set("baggage", "elev=hemligt-bagage")
	intake.ServeHTTP(httptest.NewRecorder(), post)
	return r
}

const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
)

// until waits, in virtual time, until a case has come to a Step.
func (j *journey) until(t testing.TB, r hub.Received, step hub.Step) {
	t.Helper()
	for range 1000 {
		c, err := j.store.Case(context.Background(), hub.AsHub(), r.Case.ID)
		if err != nil {
			t.Fatal(err)
		}
		if c.Step == step {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("it has not come to %s", step)
}

// travelled has a form travel: through a register, a diarium whose receipt is lost, the death
// of the process, the question whether the diarium has it, and its word that it is decided.
func travelled(t *testing.T, c *collector) (j *journey, r hub.Received) {
	j = newJourney(t)
	j.lose, j.slow = 1, 2*time.Second
	j.begin(t, traced(c, 1, "boot-1"), "boot-1")
	r = j.send(t, "oep-4711")
	for sent := false; !sent; {
		time.Sleep(100 * time.Millisecond)
		j.mu.Lock()
		sent = j.taken
		j.mu.Unlock()
	}
	j.stop()
	j.begin(t, traced(c, 1, "boot-2"), "boot-2")
	j.until(t, r, hub.Registrerat)
	j.mu.Lock()
	j.report = true
	j.mu.Unlock()
	j.until(t, r, hub.Beslutat)
	if again := j.send(t, "oep-4711"); !again.Replayed {
		t.Error("sent again it is another")
	}
	j.stop()
	return j, r
}

// TestOneTraceTellsOfAWholeJourney: through two processes, with nothing stored for it; and
// the systems are told to which trace a request belongs, and nothing else.
func TestOneTraceTellsOfAWholeJourney(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		j, r := travelled(t, c)
		if c.wrong != nil {
			t.Fatal(c.wrong)
		}
		ours := c.spans[0].TraceId
		if id := hex.EncodeToString(ours); id == theirTrace || strings.Contains(strings.ToLower(string(r.Submission.ID)), id[:8]) {
			t.Errorf("the trace is called %s", id)
		}
		known := map[string]bool{}
		for _, s := range c.spans {
			known[string(s.SpanId)] = true
		}
		for _, s := range c.spans {
			if string(s.TraceId) != string(ours) {
				t.Errorf("%s is of another trace", s.Name)
			}
			if len(s.ParentSpanId) == 0 && s != c.called("receive")[0] || len(s.ParentSpanId) > 0 && !known[string(s.ParentSpanId)] {
				t.Errorf("%s lies below nothing", s.Name)
			}
		}
		for name, want := range map[string]int{
			"receive": 2, "commit": 2, "enrich": 1, "lookup": 1, "render": 1, "deliver": 1, "find": 1, "report": 1, "HTTP POST": 2, "HTTP GET": 1,
		} {
			if got := len(c.called(name)); got < want {
				t.Errorf("%d spans are called %s, want %d", got, name, want)
			}
		}
		first := c.called("receive")[0]
		if took := time.Duration(first.EndTimeUnixNano - first.StartTimeUnixNano); took < 2*time.Second {
			t.Errorf("the form came for two seconds, and it was received in %s", took)
		}
		if l := first.Links; len(l) != 1 || hex.EncodeToString(l[0].TraceId) != theirTrace || hex.EncodeToString(l[0].SpanId) != theirSpan {
			t.Errorf("the links to the platform's trace: %v", l)
		}
		j.saidTo(t, c, hex.EncodeToString(ours))
	})
}

// saidTo looks at what the systems were told of the trace.
func (j *journey) saidTo(t *testing.T, c *collector, trace string) {
	t.Helper()
	parents := map[string]bool{}
	for _, s := range append(c.called("HTTP POST"), c.called("HTTP GET")...) {
		parents["00-"+trace+"-"+hex.EncodeToString(s.SpanId)+"-01"] = true
	}
	said := 0
	for _, h := range j.asked {
		if h.Get("Baggage") != "" || h.Get("Tracestate") != "" {
			t.Errorf("a system was told %v", h)
		}
		if parent := h.Get("Traceparent"); parents[parent] {
			said++
		} else if parent != "" {
			t.Errorf("a system was told of %s, which is no request's span", parent)
		}
	}
	if said != len(parents) || said < 3 {
		t.Errorf("%d of %d requests said what they belong to", said, len(parents))
	}
}

// TestATraceTellsOfNobody reads every byte that has left, when the environment, the caller,
// the addresses and the errors were full of what nobody is to know.
func TestATraceTellsOfNobody(t *testing.T) {
	for _, variable := range []string{
		"OTEL_RESOURCE_ATTRIBUTES=vem=ur-miljon", "OTEL_SERVICE_NAME=ur-miljon", "OTEL_TRACES_SAMPLER=always_off", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=0",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://ur-miljon.example", "OTEL_EXPORTER_OTLP_HEADERS=nyckel=ur-miljon", "OTEL_SDK_DISABLED=true", "OTEL_BSP_MAX_QUEUE_SIZE=1",
	} {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		travelled(t, c)
		if len(c.spans) < 10 {
			t.Fatalf("%d spans came: nothing was tested", len(c.spans))
		}
		if want := map[string]string{"service.name": "knutpunkt", "service.version": "1", "service.instance.id": "boot-2"}; !maps.Equal(c.from, want) {
			t.Errorf("who tells is %v, want %v", c.from, want)
		}
		for _, canary := range canaries {
			if strings.Contains(strings.ToLower(string(c.bytes)), strings.ToLower(canary)) {
				t.Errorf("%s has left in a trace", canary)
			}
		}
		for _, s := range c.spans {
			if !slices.Contains(spanNames, s.Name) || s.TraceState != "" || s.GetStatus().GetMessage() != "" {
				t.Errorf("a span says %v", s)
			}
			attributes := s.Attributes
			for _, e := range s.Events {
				attributes = append(attributes, e.Attributes...)
				if e.Name != "status" {
					t.Errorf("something called %s happened within %s", e.Name, s.Name)
				}
			}
			for _, a := range attributes {
				if text := a.Value.GetStringValue(); facts[a.Key] == nil || text != "" && !facts[a.Key].MatchString(text) {
					t.Errorf("%s says %s=%v", s.Name, a.Key, a.Value)
				}
			}
		}
	})
}

var spanNames = []string{
	"receive", "commit", "enrich", "render", "delivery", "telling", "report", "deliver", "find", "lookup", "tell", "fetch", "poll", "HTTP GET", "HTTP POST",
}

// facts are what a span can say, each in a form in which nobody's name or number fits.
var facts = map[string]*regexp.Regexp{
	"knutpunkt.submission": regexp.MustCompile(`^[0-9A-Z]{26}$`), "knutpunkt.case": regexp.MustCompile(`^[0-9A-Z]{26}$`),
	"knutpunkt.delivery": regexp.MustCompile(`^[0-9A-Z]{26}-diarium$`), "knutpunkt.municipality": regexp.MustCompile(`^1080$`),
	"knutpunkt.system": regexp.MustCompile(`^(k\.(navet|diarium)|shared\.oep)$`), "knutpunkt.connector": regexp.MustCompile(`^(navet|sif)$`),
	"knutpunkt.step": oneOf(hub.Steps), "knutpunkt.reason": oneOf(hub.Reasons), "http.response.status_code": regexp.MustCompile(`^\d{3}$`),
	"knutpunkt.outcome": oneOf(append(slices.Clone(hub.OutcomeNames), "new", "replayed", "partly")),
}

// TestACollectorThatIsDownCostsNothing: who ends a span waits for nobody. What there is no
// room for is dropped, and counted; and an end that is wanted comes.
func TestACollectorThatIsDownCostsNothing(t *testing.T) {
	hangs := func(ctx context.Context) (*http.Response, error) { <-ctx.Done(); return nil, ctx.Err() }
	refuses := func(context.Context) (*http.Response, error) { return nil, errors.New("refused by diarium.example") }
	busy := func(context.Context) (*http.Response, error) {
		return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
	}
	for name, down := range map[string]func(context.Context) (*http.Response, error){"it hangs": hangs, "it refuses": refuses, "it is busy": busy} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const spans = 6_000 // more than there is room for
				m := traced(&collector{down: down}, 1, "b")
				begun := time.Now()
				for range spans {
					_, done := m.Stages()(t.Context(), hub.Stage{Name: hub.StageEnrich, Submission: "01KA0000000000000000000101"})
					done(hub.Outcome{Name: "planned"})
				}
				if took := time.Since(begun); took != 0 {
					t.Errorf("who ended spans waited %s", took)
				}
				time.Sleep(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				begun = time.Now()
				m.Close(ctx)
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("the end took %s", took)
				}
				if text := pageOf(m); !strings.Contains(text, fmt.Sprintf("knutpunkt_trace_spans_total{result=\"dropped\"} %d\n", spans)) {
					t.Error("not all that was dropped is counted")
				}
			})
		})
	}
}

// TestACollectorThatIsStartedAgain misses nothing of the few seconds.
func TestACollectorThatIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		begun := time.Now()
		c.down = func(context.Context) (*http.Response, error) {
			if time.Since(begun) > 8*time.Second {
				c.down = nil
			}
			return nil, errors.New("not yet")
		}
		m := traced(c, 1, "b")
		_, done := m.Stages()(t.Context(), hub.Stage{Name: hub.StageEnrich, Submission: "01KA0000000000000000000101"})
		done(hub.Outcome{Name: "held", Reason: hub.ReasonRule})
		time.Sleep(time.Minute)
		m.Close(t.Context())
		if len(c.spans) != 1 || c.spans[0].GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR {
			t.Errorf("came: %v", c.spans)
		}
	})
}

// TestEveryProcessTracesTheSameSubmissions: which those are is in the ID, so that no trace has
// only a part.
func TestEveryProcessTracesTheSameSubmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const forms = 2000
		one, other := &collector{}, &collector{}
		for _, c := range []*collector{one, other} {
			m := traced(c, .1, "b")
			for i := range forms {
				_, done := m.Stages()(t.Context(), hub.Stage{Name: hub.StageEnrich, Submission: hub.ID(fmt.Sprintf("01KA%022d", i))})
				done(hub.Outcome{Name: "planned"})
			}
			m.Close(t.Context())
		}
		if n := len(one.spans); n < forms/20 || n > forms/5 {
			t.Errorf("of %d submissions %d were traced, and one of ten was to be", forms, n)
		}
		if !slices.EqualFunc(one.spans, other.spans, func(a, b *otlp.Span) bool { return string(a.TraceId) == string(b.TraceId) }) {
			t.Error("the two trace different submissions")
		}
	})
}

// TestNobodyIsTracedUnasked: without traces nothing is added to anything.
func TestNobodyIsTracedUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJourney(t)
		j.begin(t, meter.New(time.Now), "b")
		j.until(t, j.send(t, "oep-4711"), hub.Registrerat)
		text := pageOf(j.meter)
		j.stop()
		for _, h := range j.asked {
			if h.Get("Traceparent") != "" {
				t.Errorf("a system was told %v", h)
			}
		}
		if j.meter.Stages() != nil || strings.Contains(text, "knutpunkt_trace_spans") {
			t.Error("something is traced")
		}
		if !strings.Contains(text, `knutpunkt_call_seconds_count{connector="sif",outcome="yes",role="deliver"} 1`) {
			t.Error("the delivery is not counted")
		}
	})
}

// BenchmarkJourney has forms travel to the diarium, one after the other: without traces, with
// those of one of a hundred, with all.
func BenchmarkJourney(b *testing.B) {
	for _, mode := range []struct {
		name  string
		ratio float64
	}{{"untraced", 0}, {"traced=1%", .01}, {"traced=100%", 1}} {
		b.Run(mode.name, func(b *testing.B) {
			m := meter.New(time.Now)
			if mode.ratio > 0 {
				m = traced(&collector{}, mode.ratio, "b")
			}
			j := newJourney(b)
			j.arrived = make(chan struct{}, 1)
			j.begin(b, m, "b")
			defer func() { j.stop() }()
			n := 0
			for b.Loop() {
				n++
				j.send(b, fmt.Sprint(n))
				<-j.arrived
			}
		})
	}
}

// BenchmarkCall is one delivery's call, from the hub to the way out, without what is between.
func BenchmarkCall(b *testing.B) {
	answered := goes(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	for _, mode := range []string{"bare", "untraced", "traced=1%", "traced=100%"} {
		b.Run(mode, func(b *testing.B) {
			m, way := meter.New(time.Now), http.RoundTripper(answered)
			switch mode {
			case "traced=1%":
				m = traced(&collector{}, .01, "b")
			case "traced=100%":
				m = traced(&collector{}, 1, "b")
			}
			defer m.Close(context.Background())
			begin := m.Stages()
			if begin == nil {
				begin = func(ctx context.Context, _ hub.Stage) (context.Context, func(hub.Outcome)) {
					return ctx, func(hub.Outcome) {}
				}
			}
			if mode != "bare" {
				way = m.Calls("k.diarium")(way)
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				ctx, done := begin(b.Context(), hub.Stage{Name: hub.StageDelivery, Submission: hub.ID(fmt.Sprintf("01KA%022d", n)), Key: "k", System: "k.diarium"})
				req, _ := http.NewRequestWithContext(ctx, "POST", "https://diarium.example/cases", nil)
				if _, err := way.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
				done(hub.Outcome{Name: "yes"})
			}
		})
	}
}
