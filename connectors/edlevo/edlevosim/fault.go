package edlevosim

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Fault is one way to fail. It strikes one call, the next that fits, unless it is Always.
type Fault struct {
	Way    Way
	At     string // the service that it strikes, such as GetChildWithApplication; "" for any that saves; "*" for any
	After  int    // so many calls that fit are let by first
	Always bool   // strikes until Heal
}

// A Way to fail.
type Way string

const (
	Lost       Way = "lost"       // saved, and the line is cut
	Dropped    Way = "dropped"    // the line is cut, and nothing was saved
	Errors     Way = "error"      // status 200 and an ERROR with two messages that quote a person, nothing saved
	Bad        Way = "400"        // nothing saved
	Denied     Way = "401"        // nothing saved
	Forbidden  Way = "403"        // nothing saved
	Gone       Way = "404"        // nothing saved
	FailBefore Way = "500-before" // nothing saved
	FailAfter  Way = "500-after"  // saved
	Busy       Way = "503"        // Retry-After: 7, nothing saved
	LoginPage  Way = "login-page" // status 200 and HTML, nothing saved
	Redirect   Way = "302"        // nothing saved
	Truncated  Way = "truncated"  // saved, and half an answer
	Slow       Way = "slow"       // saved, and an answer that begins and never ends
	Empty      Way = "empty"      // saved, and status 200 with nothing in it
	Mute       Way = "mute"       // saved, and neither OK nor ERROR in the answer
	Late       Way = "late"       // saved, and invisible for ten times the lag, a minute at least
	Overtaken  Way = "overtaken"  // saved, and at once another guardian's takes its place
	Crossed    Way = "crossed"    // another child is shown: GetChildWithApplication
	OldVersion Way = "v3"         // answered in the namespace of another version
	Mislabel   Way = "mislabel"   // the answer says UTF-8 and is ISO-8859-1
	UTF16      Way = "utf-16"     // the answer says UTF-16 and is UTF-8, as in the vendor's examples
	WideUTF16  Way = "wide"       // the answer is UTF-16
	Mark       Way = "mark"       // the answer begins with a byte order mark
)

// Fail chooses faults, in the order in which they shall strike.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

// Heal clears all faults that have been chosen.
func (s *Sim) Heal() { s.faults.Heal() }

func (s *Sim) fault(service string) Fault {
	return s.faults.Next(func(f Fault) simfault.Terms {
		fits := f.At == service || f.At == "*" || f.At == "" && strings.HasPrefix(service, "Save")
		return simfault.Terms{Fits: fits, After: f.After, Always: f.Always}
	})
}

// instead answers without making the call.
func (f Fault) instead(w http.ResponseWriter) bool {
	switch f.Way {
	case Dropped:
		panic(http.ErrAbortHandler)
	case Bad:
		http.Error(w, "Error in given XML for 199001012385 Alva Exempelsson", http.StatusBadRequest)
	case Denied:
		http.Error(w, "API LicenseKey does not support this endpoint", http.StatusUnauthorized)
	case Forbidden:
		http.Error(w, "Not licensed to use this API", http.StatusForbidden)
	case Gone:
		http.Error(w, "Not Found", http.StatusNotFound)
	case FailBefore:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case Busy:
		simfault.Busy(w)
	case LoginPage:
		simfault.LoginPage(w)
	case Redirect:
		simfault.Redirect(w, http.StatusFound)
	default:
		return false
	}
	return true
}

// reply sends the answer, or what the fault leaves of it.
func (f Fault) reply(w http.ResponseWriter, r *http.Request, a reply) {
	switch {
	case f.Way == Lost:
		panic(http.ErrAbortHandler)
	case f.Way == FailAfter:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case f.Way == Empty:
		w.WriteHeader(http.StatusOK)
		return
	case a.status != 0:
		http.Error(w, a.text, a.status)
		return
	case f.Way == Mute:
		a.root = root("schoolsearch", space)
	}
	text := f.spelt(a.root)
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	if f.Way == Slow {
		simfault.Stall(w, r, text)
		return
	}
	w.Write(text)
}

// spelt writes an answer in the characters that the fault has it in.
func (f Fault) spelt(root *document.Element) []byte {
	text, err := document.WriteXML(root, document.Style{})
	if err != nil {
		panic(err) // it is made of what was read
	}
	switch f.Way {
	case Truncated:
		return text[:len(text)/2]
	case OldVersion:
		return bytes.ReplaceAll(text, []byte("/v4"), []byte("/v3"))
	case Mislabel:
		return bytes.ReplaceAll(text, []byte("Ö"), []byte("\xD6"))
	case UTF16:
		return bytes.Replace(text, []byte("UTF-8"), []byte("utf-16"), 1)
	case WideUTF16:
		return wide(bytes.Replace(text, []byte("UTF-8"), []byte("utf-16"), 1))
	case Mark:
		return append([]byte("\xEF\xBB\xBF"), text...)
	}
	return text
}

// wide writes UTF-8 as UTF-16, the low byte first, after a byte order mark. All characters are of the basic plane.
func wide(text []byte) []byte {
	out := []byte("\xFF\xFE")
	for _, r := range string(text) {
		out = append(out, byte(r), byte(r>>8))
	}
	return out
}

// invisible is how long what is saved cannot be seen.
func (s *Sim) invisible(f Fault) time.Duration {
	if f.Way == Late {
		return max(10*s.Lag, time.Minute)
	}
	return s.Lag
}
