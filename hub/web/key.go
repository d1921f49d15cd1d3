package web

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

var (
	keyForm  = regexp.MustCompile(`^[A-Za-z0-9._:-]{8,128}$`)
	aUUID    = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	digits   = regexp.MustCompile(`[0-9]+`)
	lastFour = regexp.MustCompile(`^-[0-9]{4}`)
)

// idempotencyKey gives the key that a caller names a form by, bare or quoted as in
// structured fields; "" when it names none. Keys are kept in the open, so one that
// looks like a personnummer is refused.
func idempotencyKey(h http.Header) (string, error) {
	said := h.Values("Idempotency-Key")
	if len(said) == 0 {
		return "", nil
	}
	key := said[0]
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	if len(said) > 1 || !keyForm.MatchString(key) || looksLikePerson(key) {
		return "", refusal("idempotency-key-invalid")
	}
	return key, nil
}

// looksLikePerson reports whether a personnummer may stand in a key. A UUID is nobody's.
func looksLikePerson(key string) bool {
	if aUUID.MatchString(key) {
		return false
	}
	for _, at := range digits.FindAllStringIndex(key, -1) {
		number, four := key[at[0]:at[1]], lastFour.FindString(key[at[1]:])
		if isNumbered(number, false) || four != "" && isNumbered(number+four[1:], true) {
			return true
		}
	}
	return false
}

// isNumbered reports whether digits are somebody's: a date of birth and four digits,
// whatever the check digit says; without century and hyphen, where many other numbers
// look so, only if it is right.
func isNumbered(digits string, hyphen bool) bool {
	switch len(digits) {
	case 12:
		return isBirth(digits[:8]) || isPerson(digits)
	case 10:
		return hyphen && isBirth("20"+digits[:6]) || isPerson("19"+digits)
	}
	return false
}

func isPerson(digits string) bool {
	_, err := hub.ParsePersonID(digits)
	return err == nil
}

// isBirth reports whether eight digits can begin a personnummer or, with 60 added to
// the day, a samordningsnummer.
func isBirth(digits string) bool {
	if digits[6] >= '6' {
		digits = digits[:6] + string(digits[6]-6) + digits[7:]
	}
	born, err := time.Parse("20060102", digits)
	return err == nil && born.Year() >= 1800 && born.Year() < 2100
}
