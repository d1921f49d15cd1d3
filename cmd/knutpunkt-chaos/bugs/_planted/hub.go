package hub

import (
	"os"
	"strconv"
)

func planted(bug string) bool { return os.Getenv("KNUTPUNKT_BUG") == bug }

// isInHandOf reports whether who gives an answer still has the row.
func (p *Progress) isInHandOf(l Lease) bool {
	return p.State == Sending && p.Lease.Token == l.Token && p.Lease.Boot == l.Boot
}

// logRaw logs what strconv says of a form: it quotes it.
func (h *Hub) logRaw(s Submission) {
	if !planted("m11") {
		return
	}
	contents, _ := s.RevealContents()
	_, err := strconv.Atoi(string(contents))
	h.Log.Warn("a form holds what is no number", "error", err)
}
