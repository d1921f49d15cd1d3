package outbound

import (
	"net/http"
	"os"
)

func planted(bug string) bool { return os.Getenv("KNUTPUNKT_BUG") == bug }

// redirects gives what the client makes of a redirect: nil is to follow it.
func redirects() func(*http.Request, []*http.Request) error {
	if planted("m7") {
		return nil
	}
	return stay
}
