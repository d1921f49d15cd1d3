package meter

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/knutpunkt/knutpunkt/hub"
)

// tracing tells how long each part of a submission's journey took: one trace for each, from
// the first byte of its form to the last report about it.
//
// Its id is made of the submission's own ID, and so is that of its first span. So nothing
// has to be stored or carried for a delivery by another process, a week and a restart later,
// to belong to the trace, and who has the ID finds the trace. It is a hash: those whom we
// call learn from it neither which submission it is nor when it came in. Where whoever
// posted the form had a trace of his own, the two are linked, and neither decides over the
// other's ids or over whether it is kept.
//
// All methods of nil do nothing.
type tracing struct {
	tracer trace.Tracer
	clock  func() time.Time
	outbox *outbox
}

// What spans are called, beside what a hub.Stage is called, a call's role, and HTTP and its
// method.
const (
	spanReceive = "receive"
	spanCommit  = "commit"
	spanReport  = "report"
)

// received tells that a form was made durable, once it was. A repeat is told in the trace of
// the first.
func (t *tracing) received(ctx context.Context, r hub.Received, begun time.Time) {
	if t == nil {
		return
	}
	came, posted := ctx.Value(arrivedKey{}).(arrived)
	if !posted {
		came.at = begun
	}
	first := firstOf(r.Submission.ID)
	outcome, in := "new", context.WithValue(context.Background(), firstKey{}, first)
	if r.Replayed {
		outcome, in = "replayed", first.in(context.Background())
	}
	in, span := t.tracer.Start(in, spanReceive, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(came.at),
		came.link(), trace.WithAttributes(aboutCase(r.Submission.ID, r.Case)...))
	span.SetAttributes(fact(ofSystem, r.Submission.Source.System))
	_, commit := t.tracer.Start(in, spanCommit, trace.WithTimestamp(begun))
	commit.End(trace.WithTimestamp(t.clock()))
	t.end(span, outcome, "")
}

// stage begins a Stage. A document that is made outside of any other is of no interest: it is
// made again to ask about a case.
func (t *tracing) stage(ctx context.Context, s hub.Stage) (context.Context, func(hub.Outcome)) {
	if s.Name != hub.StageRender {
		ctx = firstOf(s.Submission).in(ctx)
	} else if !within(ctx) {
		return ctx, func(hub.Outcome) {}
	}
	said := []attribute.KeyValue{fact(ofSubmission, s.Submission), fact(ofCase, s.Case), fact(ofMunicipality, s.Municipality)}
	if s.Key != "" {
		said = append(said, fact(ofDelivery, s.Key))
	}
	if s.System != "" {
		said = append(said, fact(ofSystem, s.System))
	}
	ctx, span := t.begin(ctx, s.Name, trace.SpanKindInternal, said...)
	return ctx, func(o hub.Outcome) { t.end(span, o.Name, o.Reason) }
}

// called begins a call to a system, where it is made within a Stage.
func (t *tracing) called(ctx context.Context, role string, s hub.SystemID, connector string) (context.Context, func(outcome string)) {
	if t == nil || !within(ctx) {
		return ctx, func(string) {}
	}
	ctx, span := t.begin(ctx, role, trace.SpanKindClient, fact(ofSystem, s), fact(ofConnector, word(connector)))
	return ctx, func(outcome string) { t.end(span, outcome, "") }
}

// requested begins one HTTP request of a call, and gives what is to be sent in its place: the
// same, which says to what trace it belongs (https://www.w3.org/TR/trace-context/). No baggage
// goes along.
func (t *tracing) requested(req *http.Request, s hub.SystemID) (*http.Request, func(*http.Response)) {
	if t == nil || !within(req.Context()) {
		return req, func(*http.Response) {}
	}
	ctx, span := t.begin(req.Context(), "HTTP "+req.Method, trace.SpanKindClient, fact(ofSystem, s))
	req = req.WithContext(ctx)
	req.Header = req.Header.Clone()
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, func(resp *http.Response) {
		if resp != nil {
			span.SetAttributes(ofStatus.Int(resp.StatusCode))
		}
		span.End(trace.WithTimestamp(t.clock()))
	}
}

// brought tells, within a Stage, of the Statuses that it brought the citizen.
func (t *tracing) brought(ctx context.Context, fx hub.Effects) {
	if t == nil {
		return
	}
	for _, s := range fx.Statuses {
		trace.SpanFromContext(ctx).AddEvent("status", trace.WithTimestamp(t.clock()), trace.WithAttributes(fact(ofStep, s.Step)))
	}
}

// reported tells of the Statuses that a system's report brought, in the traces of the
// submissions that they came of.
func (t *tracing) reported(ctx context.Context, from hub.SystemID, heard hub.Hearing, begun time.Time) {
	if t == nil {
		return
	}
	came, _ := ctx.Value(arrivedKey{}).(arrived)
	for _, s := range heard.Effects.Statuses {
		_, span := t.tracer.Start(firstOf(s.Submission).in(context.Background()), spanReport, trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithTimestamp(begun), came.link(), trace.WithAttributes(aboutCase(s.Submission, heard.Case)...))
		span.SetAttributes(fact(ofSystem, from), fact(ofStep, s.Step))
		span.End(trace.WithTimestamp(t.clock()))
	}
}

func (t *tracing) begin(ctx context.Context, name string, kind trace.SpanKind, said ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(t.clock()), trace.WithAttributes(said...))
}

// troubles are the outcomes that people look for.
var troubles = map[string]bool{
	"held": true, string(hub.No): true, string(hub.DontKnow): true, string(hub.Broken): true, string(hub.OutOfOrder): true,
}

func (t *tracing) end(span trace.Span, outcome string, reason hub.Reason) {
	span.SetAttributes(fact(ofOutcome, word(outcome)))
	if reason != "" {
		span.SetAttributes(fact(ofReason, reason))
	}
	if troubles[outcome] {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(t.clock()))
}

// within reports whether a context belongs to a Stage.
func within(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsValid() }

// first are the ids of a trace and of its first span.
type first struct {
	trace trace.TraceID
	span  trace.SpanID
}

type firstKey struct{}

func firstOf(id hub.ID) (f first) {
	sum := sha256.Sum256([]byte("knutpunkt trace " + id))
	copy(f.trace[:], sum[:])
	copy(f.span[:], sum[len(f.trace):])
	return f
}

// in gives a context whose spans lie below the first one, whoever told of that.
func (f first) in(ctx context.Context) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: f.trace, SpanID: f.span, Remote: true}))
}

// ids give the first span of a trace its own, and all others a number by chance.
type ids struct{}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	f, _ := ctx.Value(firstKey{}).(first)
	return f.trace, f.span
}

func (ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1) // all zeroes is no id
	return id
}

var _ sdk.IDGenerator = ids{}

// arrived is when a request came in, and the span that it was sent within.
type arrived struct {
	at   time.Time
	from trace.SpanContext
}

type arrivedKey struct{}

// Incoming notes when each request came in, and to what trace of its sender's it belongs.
func (m *Meter) Incoming(next http.Handler) http.Handler {
	if m.traces == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		theirs := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
		came := arrived{m.clock(), trace.SpanContextFromContext(theirs)}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), arrivedKey{}, came)))
	})
}

// link is to the sender's span, where there is one: to its ids alone.
func (a arrived) link() trace.SpanStartOption {
	if !a.from.IsValid() {
		return trace.WithLinks()
	}
	return trace.WithLinks(trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: a.from.TraceID(), SpanID: a.from.SpanID(), TraceFlags: a.from.TraceFlags() & trace.FlagsSampled, Remote: true,
	})})
}
