package meter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Traces are told to somebody who gathers them, an OpenTelemetry collector, in its own protocol
// (OTLP) over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp.
//
// All of how they are told is said here. The variables OTEL_… of the environment, which the
// library would heed, change nothing: they may send what a citizen's case has come to where
// nobody has decided that it goes.
type Traces struct {
	To      string  // the collector's address for traces
	Ratio   float64 // of the submissions that are traced, between 0 and 1
	Token   hub.Secret
	HTTP    *http.Client // the way out to it
	Boot    string       // this process, among all that ever ran
	Version string       // of Knutpunkt
	Log     *slog.Logger
}

// Trace begins to tell how long things take, until Close. It is called before the Meter is
// asked for anything else.
func (m *Meter) Trace(t Traces) {
	sent := tracedSpans.counters()
	m.registry.MustRegister(sent)
	box := newOutbox(otlptrace.NewUnstarted(&collector{t, t.resource()}), sent, t.Log)
	provider := sdk.NewTracerProvider(
		sdk.WithIDGenerator(ids{}), sdk.WithSampler(sdk.TraceIDRatioBased(t.Ratio)), sdk.WithSpanProcessor(box),
		sdk.WithRawSpanLimits(sdk.SpanLimits{
			AttributeValueLengthLimit: 200, AttributeCountLimit: 16, EventCountLimit: 16, LinkCountLimit: 1,
			AttributePerEventCountLimit: 2, AttributePerLinkCountLimit: 0,
		}), sdk.WithoutPanicRecording())
	m.traces = &tracing{provider.Tracer("knutpunkt"), m.clock, box}
}

// Stages gives what traces the Stages of the hub's work; nil when nobody wants traces.
func (m *Meter) Stages() func(context.Context, hub.Stage) (context.Context, func(hub.Outcome)) {
	if m.traces == nil {
		return nil
	}
	return m.traces.stage
}

// Close sends what waits to be told, as far as it can be within ctx.
func (m *Meter) Close(ctx context.Context) {
	if m.traces != nil {
		m.traces.outbox.Shutdown(ctx)
	}
}

// An outbox takes finished spans to the collector. It costs whoever ends a span a place in a
// queue and no more: when that is full, since the collector is down or slow, spans are
// dropped, and counted.
type outbox struct {
	exporter sdk.SpanExporter
	queue    chan sdk.ReadOnlySpan
	sent     prometheus.Counter
	dropped  prometheus.Counter
	log      *slog.Logger
	stop     context.CancelFunc
	flush    chan context.Context // by whom what waits is sent before the end
	done     chan struct{}
}

var tracedSpans = ours("trace_spans_total",
	"Spans of traces, by what became of them: sent, or dropped since the collector did not take them; absent without traces.", "result")

// How many spans may wait, how many are sent at a time, after how long also fewer are, how
// often a collector that does not take them is tried, and how long it may take.
const (
	queuedSpans  = 4096
	spansAtOnce  = 512
	betweenPosts = 5 * time.Second
	postTries    = 3
	postTimeout  = 10 * time.Second
)

func newOutbox(to sdk.SpanExporter, counted *prometheus.CounterVec, log *slog.Logger) *outbox {
	ctx, cancel := context.WithCancel(context.Background())
	o := &outbox{
		exporter: to, queue: make(chan sdk.ReadOnlySpan, queuedSpans), sent: counted.WithLabelValues("sent"),
		dropped: counted.WithLabelValues("dropped"), log: log, stop: cancel, flush: make(chan context.Context, 1), done: make(chan struct{}),
	}
	go o.run(ctx)
	return o
}

// OnStart does nothing: a span is told of when it has ended.
func (o *outbox) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd puts a span in the queue, if there is room.
func (o *outbox) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case o.queue <- s:
	default:
		o.dropped.Inc()
	}
}

// run sends what comes, a batch at a time, until ctx is done, and then what is left.
func (o *outbox) run(ctx context.Context) {
	defer close(o.done)
	tick := time.NewTicker(betweenPosts)
	defer tick.Stop()
	var batch []sdk.ReadOnlySpan
	for {
		full := false
		select {
		case s := <-o.queue:
			batch = append(batch, s)
			full = len(batch) == spansAtOnce
		case <-tick.C:
			full = len(batch) > 0
		case <-ctx.Done():
			o.rest(batch)
			return
		}
		if full {
			batch = o.post(ctx, batch)
		}
	}
}

// rest sends what is left once, for as long as who ends it all waits.
func (o *outbox) rest(batch []sdk.ReadOnlySpan) {
	ctx := <-o.flush
	for len(o.queue) > 0 {
		batch = append(batch, <-o.queue)
	}
	if len(batch) > 0 {
		o.count(o.try(ctx, batch), len(batch))
	}
}

// post sends a batch, and gives what of it is still to be sent when ctx is done. A collector
// that is being started again has a moment to come back.
func (o *outbox) post(ctx context.Context, batch []sdk.ReadOnlySpan) (left []sdk.ReadOnlySpan) {
	err := o.try(ctx, batch)
	for n := 1; err != nil && n < postTries; n++ {
		select {
		case <-ctx.Done():
			return batch
		case <-time.After(betweenPosts):
		}
		err = o.try(ctx, batch)
	}
	if err != nil && ctx.Err() != nil {
		return batch
	}
	o.count(err, len(batch))
	return batch[:0]
}

func (o *outbox) try(ctx context.Context, batch []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	return o.exporter.ExportSpans(ctx, batch)
}

func (o *outbox) count(err error, n int) {
	if err == nil {
		o.sent.Add(float64(n))
		return
	}
	o.dropped.Add(float64(n))
	o.log.Warn("the collector does not take traces", "spans", n, "cause", hub.WithoutAddress(err).Error())
}

// ForceFlush is the library's, for who cannot wait; nobody is such.
func (o *outbox) ForceFlush(context.Context) error { return nil }

// Shutdown sends what waits.
func (o *outbox) Shutdown(ctx context.Context) error {
	o.flush <- ctx
	o.stop()
	<-o.done
	return nil
}

// A collector is told spans through the one door out. It is the last place before they leave:
// what is no fact is taken away here.
type collector struct {
	Traces
	us *resource.Resource
}

// resource is how the collector knows this process.
func (t Traces) resource() *resource.Resource {
	text := func(key, value string) *common.KeyValue {
		return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
	}
	return &resource.Resource{Attributes: []*common.KeyValue{
		text("service.name", "knutpunkt"), text("service.version", t.Version), text("service.instance.id", t.Boot),
	}}
}

func (c *collector) Start(context.Context) error { return nil }
func (c *collector) Stop(context.Context) error  { return nil }

// UploadTraces posts a batch. An error says at most what status the collector answered with.
func (c *collector) UploadTraces(ctx context.Context, all []*otlp.ResourceSpans) error {
	for _, of := range all {
		c.strip(of)
	}
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: all}) // on the wire the same as the protocol's request
	if err != nil {
		return fmt.Errorf("write spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.To, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call the collector: %w", hub.WithoutAddress(err))
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if token := c.Token.Reveal(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("call the collector: %w", hub.WithoutAddress(err))
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("call the collector: HTTP status %d", resp.StatusCode)
	}
	return nil
}

// strip leaves of spans what the hub means to tell.
func (c *collector) strip(of *otlp.ResourceSpans) {
	of.Resource = c.us
	for _, scope := range of.ScopeSpans {
		for _, span := range scope.Spans {
			span.Attributes, span.TraceState = listed(span.Attributes), ""
			for _, e := range span.Events {
				e.Attributes = listed(e.Attributes)
			}
			for _, l := range span.Links {
				l.Attributes, l.TraceState = nil, ""
			}
			if span.Status != nil {
				span.Status.Message = ""
			}
		}
	}
}

func listed(all []*common.KeyValue) []*common.KeyValue {
	var kept []*common.KeyValue
	for _, a := range all {
		if isFact(a.Key) {
			kept = append(kept, a)
		}
	}
	return kept
}
