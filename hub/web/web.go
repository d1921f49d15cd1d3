// Package web is what Knutpunkt shows the network, on two listeners.
//
// Public is for platforms: they post forms, ask how they are getting on and follow
// them. Each of their calls shows a client's token, and what the client may not see is
// answered like what is not there. Business systems tell here what has happened to their
// cases, and sign it; the national Mina ärenden asks. It is for citizens too, where they
// can log in: each follows her own cases (Mina ärenden). Service notices are told to
// anybody. The contract is the text openapi.json, which a test holds against the routes.
//
// Operator is for those who run the hub and for those who work the list of what rests
// with people: the console, the operators' API, the metrics and the health. It asks
// nobody who only reads who they are, so it must listen on loopback only, and its pages
// show no content: ids, steps, states, numbers that systems gave, and the titles of
// municipalities and e-services. What is read so is seen as the Viewer in Options. Who
// decides anything says who she is, by HTTP Basic, and sees her own municipalities; she
// alone sees why others decided as they did, since people may write anything. Who answers
// a citizen's question sees what the citizen sees, after it is written down that she
// looked, and why; so does who tries the draft of a mapping on a form, and reads the whole
// document. The text operators.json is held against these routes too.
//
// Nothing that a caller wrote goes to a log, except ids that are ours; and it comes back
// in an answer only where the answer is about it: the references of a tally that are
// missing here, an operator's notice, what is wrong with her draft and, as its standard
// wants, the question of the national Mina ärenden.
package web

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Options are what a Server is made of.
type Options struct {
	Hub      *hub.Hub // its Store, Systems, Clock and Log are used too
	Clients  []Client
	People   []Operator     // who may decide about what rests with people
	Proxies  []netip.Prefix // that may speak plain HTTP to us for others, who spoke TLS to them
	Version  string         // of this program
	Operator hub.Viewer     // what the console shows to who has not said who she is; the zero Viewer means hub.AsHub()
	Rate     float64        // calls a second of one client, with twice as many at once; 0 means 2000
	Streams  int            // that one client may follow at a time; 0 means 5
	Login    *Login         // of citizens; without it there are no pages for them
	// Restored gives since when the Store is known to be an older copy that was put back,
	// zero when it is not; nil where that is never known.
	Restored func(context.Context) (since time.Time, cases int, err error)
}

// A Server answers on both listeners.
type Server struct {
	Options
	store      hub.Store
	systems    map[hub.SystemID]hub.System
	callers    atomic.Pointer[[]*caller]
	colleagues atomic.Pointer[[]*colleague]
	strangers  *rate.Limiter // of who guesses at names that nobody has
	notices    noticeBoard
	times      times
	provider   *provider // of e-IDs; nil without a Login
	peers      peers     // who log in

	reporters map[hub.SystemID]*rate.Limiter // systems that tell unasked

	arriving, following, watching *seats // forms on their way in, clients' streams, the console's
	mine                          *seats // citizens' streams
	reporting                     *seats // reports on their way in
	rehearsing                    *seats // drafts that are tried

	ending  chan struct{}
	endOnce sync.Once
}

// How many may be served at a time, of one client and in all.
const (
	arrivingEach, arrivingAll = 256, 1024
	followingEach             = 5
	followingAll, watchingAll = 20_000, 100
	usualRate                 = 2000
)

// New makes a Server. It listens nowhere by itself.
func New(o Options) *Server {
	if o.Operator.Actor() == "" {
		o.Operator = hub.AsHub()
	}
	if o.Rate == 0 {
		o.Rate = usualRate
	}
	if o.Streams == 0 {
		o.Streams = followingEach
	}
	s := &Server{
		Options: o, store: o.Hub.Store, systems: map[hub.SystemID]hub.System{},
		arriving: newSeats(arrivingEach, arrivingAll), following: newSeats(o.Streams, followingAll),
		watching: newSeats(watchingAll, watchingAll), mine: newSeats(followingEach, followingAll), ending: make(chan struct{}),
		strangers: rate.NewLimiter(guessesPer, guessesAtOnce),
	}
	for _, opened := range o.Hub.Systems {
		s.systems[opened.ID] = opened.System
	}
	s.reporters, s.reporting = s.limitReporters(), newSeats(reportingEach, reportingAll)
	s.rehearsing = newSeats(1, 1)
	if o.Login != nil {
		s.provider = &provider{login: o.Login, clock: o.Hub.Clock}
	}
	s.Allow(o.Clients)
	s.AllowOperators(o.People)
	return s
}

// Public gives what the public listener answers with.
func (s *Server) Public() http.Handler {
	return &face{Server: s, routes: s.publicRoutes(), admit: s.admitClient}
}

// Operator gives what the operator's listener answers with, the metrics among it.
func (s *Server) Operator(metrics http.Handler) http.Handler {
	return &face{Server: s, routes: s.operatorRoutes(metrics), admit: s.admitOperator, pages: true}
}

// EndStreams ends every open stream, so that a listener can be shut down: it is what
// http.Server.RegisterOnShutdown wants. Who followed comes back with its Last-Event-ID.
func (s *Server) EndStreams() { s.endOnce.Do(func() { close(s.ending) }) }

// Harden sets the limits that net/http keeps by itself, before and after us: slow
// headers 5 s, headers of 32 KiB, a body that nobody reads 30 s, an answer that nobody
// takes 60 s. A body that is read, and a stream, have limits of their own. What
// net/http would say on standard error, with callers' addresses in it, is discarded
// unless h has an ErrorLog.
func Harden(h *http.Server) {
	const slop = 4096 // that net/http adds by itself
	h.ReadHeaderTimeout = 5 * time.Second
	h.ReadTimeout = 30 * time.Second
	h.WriteTimeout = 60 * time.Second
	h.IdleTimeout = 2 * time.Minute
	h.MaxHeaderBytes = 32<<10 - slop
	h.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100}
	if h.ErrorLog == nil {
		h.ErrorLog = log.New(io.Discard, "", 0)
	}
}

// publicRoutes is the public contract; openapi.json describes it.
func (s *Server) publicRoutes() []route {
	return []route{
		{"POST", "/v1/submissions", jsonType, s.submit},
		{"GET", "/v1/submissions", jsonType, s.list},
		{"GET", "/v1/submissions/{id}", jsonType, s.show},
		{"DELETE", "/v1/submissions/{id}", jsonType, s.withdraw},
		{"GET", "/v1/submissions/{id}/events", streamType, s.follow},
		{"POST", "/v1/sources/{system}", jsonType, s.take},
		{"POST", "/v1/tallies", jsonType, s.takeTally},
		{"GET", "/v1/me/cases", jsonType, s.myCases},
		{"GET", "/v1/me/events", streamType, s.followMine},
		{"POST", reportPattern, jsonType, s.hear},
		{"POST", kundhandelsePattern, anyType, s.answerNationally},
		{"GET", "/v1/notices", jsonType, s.tellNotices},
		{"GET", "/login", anyType, s.beginLogin},
		{"GET", "/login/done", anyType, s.finishLogin},
		{"GET", "/logout", anyType, s.loggedOut},
		{"POST", "/logout", anyType, s.logOut},
		{"GET", "/openapi.json", jsonType, s.contract},
		{"GET", "/problems/{slug}", anyType, s.explain},
		{"GET", "/", anyType, s.showStart},
		{"GET", "/mina-arenden", anyType, s.showMine},
		{"GET", "/mina-arenden/{id}", anyType, s.showCase},
		{"GET", "/mina-arenden/{id}/kvittens", anyType, s.showReceipt},
		{"GET", "/logo/{municipality}", anyType, s.showLogo},
	}
}

// operatorRoutes is the operators' contract; operators.json describes it. The pages' own
// addresses stand beside /console and not below it: to a browser that has been asked for
// a secret at one address, it is for those beside it too.
func (s *Server) operatorRoutes(metrics http.Handler) []route {
	return []route{
		{"GET", "/", anyType, func(c *call) error { return c.seeOther("/console") }},
		{"GET", "/console", anyType, s.consoleList},
		{"GET", "/console/heaps/{id}", anyType, s.consoleHeap},
		{"GET", "/console/cases/{id}", anyType, s.consoleCase},
		{"GET", "/console/cases/{id}/events", streamType, s.consoleStream},
		{"GET", "/console/fraga", anyType, s.consoleQuestion},
		{"GET", "/console/driftmeddelanden", anyType, s.consoleNotices},
		{"GET", "/console/ord", anyType, s.consoleWords},
		{"GET", "/console/avstamning", anyType, s.consoleReconciliation},
		{"GET", "/console/system", anyType, s.consoleSystems},
		{"GET", "/login", anyType, s.login},
		{"POST", "/recount", anyType, s.recountOnPage},
		{"POST", "/decide", anyType, s.decideOnPage},
		{"POST", "/approve", anyType, s.approveOnPage},
		{"POST", "/release", anyType, s.releaseHeap},
		{"POST", "/ask", anyType, s.answerOnPage},
		{"POST", "/notice", anyType, s.writeNoticeOnPage},
		{"POST", "/pause", anyType, s.pauseOnPage},
		{"POST", "/retell", anyType, s.retellOnPage},
		{"GET", "/v1/worklist", jsonType, s.worklist},
		{"GET", "/v1/held", jsonType, s.held},
		{"GET", "/v1/cases/{key}", jsonType, s.file},
		{"POST", "/v1/decisions", jsonType, answering(s, s.carryOut)},
		{"POST", "/v1/approvals", jsonType, answering(s, s.secondly)},
		{"GET", "/v1/reconciliation", jsonType, s.reconciliation},
		{"POST", "/v1/reconciliation", jsonType, s.recount},
		{"GET", "/v1/words", jsonType, s.listWords},
		{"GET", "/v1/notices", jsonType, s.listNotices},
		{"POST", "/v1/questions", jsonType, answering(s, s.answerTo)},
		{"POST", "/v1/notices", jsonType, answering(s, s.writeNotice)},
		{"GET", "/v1/systems", jsonType, s.listSystems},
		{"POST", "/v1/pauses", jsonType, answering(s, s.pause)},
		{"POST", "/v1/retellings", jsonType, answering(s, s.toldAgain)},
		{"GET", "/v1/registers", jsonType, s.listRegisters},
		{"POST", "/v1/registers/{system}/files", jsonType, s.importFile},
		{"POST", "/v1/rehearsals", jsonType, s.rehearse},
		{"GET", "/openapi.json", jsonType, s.operatorContract},
		{"GET", "/healthz", anyType, s.healthy},
		{"GET", "/readyz", anyType, s.ready},
		{"GET", "/metrics", anyType, func(c *call) error { metrics.ServeHTTP(c.w, c.r); return nil }},
		{"GET", "/problems/{slug}", anyType, s.explain},
	}
}
