package soapsim

import (
	"bytes"
	"net/http"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Fault is one way to fail. It strikes one call, the next that fits, unless it is Always.
type Fault struct {
	Way    Way
	At     Place // "" means Create
	After  int   // so many calls that fit are let by first
	Always bool  // strikes until Heal
}

// A Place is one of the calls.
type Place string

const (
	Create Place = "create"
	Find   Place = "find"
	File   Place = "file"
	Files  Place = "files"
	News   Place = "news"
	Status Place = "status"
	Any    Place = "any"
)

func placeOf(operation string) Place {
	return map[string]Place{
		"RegistreraArende": Create, "LaggTillFil": File, "HittaArenden": Find, "ListaFiler": Files, "HamtaHandelser": News,
		"HamtaArende": Status,
	}[operation]
}

// A Way to fail.
type Way string

const (
	Lost         Way = "lost"          // taken, and the line is cut
	Dropped      Way = "dropped"       // the line is cut, and nothing was taken
	Busy         Way = "503"           // nothing taken, Retry-After: 7
	Denied       Way = "401"           // nothing taken
	Redirect     Way = "302"           // nothing taken
	Gone         Way = "404"           // nothing taken
	Html         Way = "html"          // status 200 and a login page, nothing taken
	ClientFault  Way = "client-fault"  // 500 and a Fault of the caller's, nothing taken
	FaultIn200   Way = "fault-in-200"  // the same with status 200
	DetailFault  Way = "detail-fault"  // 500 and a Fault with ArendetLast in its detail, nothing taken
	ServerFault  Way = "server-fault"  // 500 and a Fault of the system's own, nothing taken
	FaultAfter   Way = "fault-after"   // the same, and taken
	RefusedCode  Way = "code-17"       // status 200 and code 17, nothing taken
	LaterCode    Way = "code-90"       // status 200 and code 90, nothing taken
	UnknownCode  Way = "code-4711"     // status 200 and a code that nobody knows, and taken
	NoCode       Way = "no-code"       // taken, and no code in the answer
	Empty        Way = "empty"         // taken, and status 200 with nothing in it
	Truncated    Way = "truncated"     // taken, and half an answer
	WrongEcho    Way = "wrong-echo"    // taken, and the answer names another reference
	Latin1       Way = "latin-1"       // taken, and a good answer in ISO-8859-1 that says so
	WrongCharset Way = "wrong-charset" // taken, and the same in ISO-8859-1 that says UTF-8
	Parts        Way = "mtom"          // taken, and an answer in parts
	Slow         Way = "slow"          // taken, and an answer that begins and never ends
	Trickle      Way = "trickle"       // taken, and a good answer, a byte at a time
	Twice        Way = "twice"         // taken twice: a doubled case, whatever the level
)

// Fail chooses faults, in the order in which they shall strike.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

// Heal clears all faults that have been chosen.
func (s *Sim) Heal() { s.faults.Heal() }

// fault gives the fault that strikes a call.
func (s *Sim) fault(p Place) Fault {
	return s.faults.Next(func(f Fault) simfault.Terms {
		fits := f.At == p || f.At == Any || f.At == "" && p == Create
		return simfault.Terms{Fits: fits, After: f.After, Always: f.Always}
	})
}

// instead answers without doing what was asked for.
func (f Fault) instead(w http.ResponseWriter, s *Sim, q request) bool {
	switch f.Way {
	case Dropped:
		panic(http.ErrAbortHandler)
	case Busy:
		w.Header().Set("Retry-After", "7")
		s.say(w, http.StatusServiceUnavailable, s.faultOf("Server", ""))
	case Denied:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case Redirect:
		simfault.Redirect(w, http.StatusFound)
	case Gone:
		http.Error(w, "Not Found", http.StatusNotFound)
	case Html:
		simfault.LoginPage(w)
	case ClientFault:
		s.say(w, http.StatusInternalServerError, s.faultOf("Client", ""))
	case FaultIn200:
		s.say(w, http.StatusOK, s.faultOf("Client", ""))
	case DetailFault:
		s.say(w, http.StatusInternalServerError, s.faultOf("Server", "ArendetLast"))
	case ServerFault:
		s.say(w, http.StatusInternalServerError, s.faultOf("Server", ""))
	case RefusedCode:
		s.say(w, http.StatusOK, answerOf(q, "17"))
	case LaterCode:
		s.say(w, http.StatusOK, answerOf(q, "90"))
	default:
		return false
	}
	return true
}

// reply sends the answer, or what the fault leaves of it.
func (f Fault) reply(w http.ResponseWriter, r *http.Request, s *Sim, answer *document.Element) {
	result := answer.Children[0]
	charset := document.UTF8
	switch f.Way {
	case Lost:
		panic(http.ErrAbortHandler)
	case FaultAfter:
		s.say(w, http.StatusInternalServerError, s.faultOf("Server", ""))
		return
	case Empty:
		w.WriteHeader(http.StatusOK)
		return
	case UnknownCode:
		result.Child("Kod").Text = "4711"
	case NoCode:
		result.Children = result.Children[1:]
	case WrongEcho:
		if echo := result.Path("Arende/Referens"); echo != nil {
			echo.Text = "another-reference"
		}
	case Latin1, WrongCharset:
		charset = document.Latin1
	}
	body := s.envelope(answer, charset)
	w.Header().Set("Content-Type", s.mediaType())
	switch f.Way {
	case Latin1:
		w.Header().Set("Content-Type", "text/xml; charset=iso-8859-1")
		_, body, _ = bytes.Cut(body, []byte("\n")) // the declaration: only the header says it
	case WrongCharset:
		body = bytes.Replace(body, []byte(document.Latin1), []byte(document.UTF8), 1)
	case Parts:
		w.Header().Set("Content-Type", `multipart/related; type="application/xop+xml"; boundary=x`)
	case Truncated:
		body = body[:len(body)/2]
	}
	f.send(w, r, body)
}

// pace is how long a byte takes that trickles.
const pace = 10 * time.Millisecond

func (f Fault) send(w http.ResponseWriter, r *http.Request, body []byte) {
	switch f.Way {
	case Slow:
		simfault.Stall(w, r, body)
	case Trickle:
		flush := http.NewResponseController(w).Flush
		for _, b := range body {
			w.Write([]byte{b})
			flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(pace):
			}
		}
	default:
		w.Write(body)
	}
}
