package seal

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoKey is what every *NoKeyError is: a municipality's key is not in the key file.
var ErrNoKey = errors.New("no key")

// ErrPlace says that a Place is incomplete, which is a fault in the calling code.
var ErrPlace = errors.New("incomplete place")

var (
	errNoDataKey = errors.New("no data key given")
	errNoSecret  = errors.New("no holder's secret given")
)

// A NoKeyError says that the key file lacks a key of a municipality, and what to do about it.
type NoKeyError struct {
	Municipality string // kommunkod
	Wrapped      bool   // whether something is already wrapped with the missing key
}

func (e *NoKeyError) Error() string {
	if e.Wrapped {
		return fmt.Sprintf("the key that municipality %s's rows were sealed with is not in the key file: "+
			"restore the key file that has it; a new key cannot open them", e.Municipality)
	}
	return fmt.Sprintf("municipality %s has no key in the key file: run: knutpunkt keys add %[1]s", e.Municipality)
}

// Is makes every NoKeyError an ErrNoKey.
func (e *NoKeyError) Is(target error) bool { return target == ErrNoKey }

// An OpenError says that sealed bytes are not what was sealed for their place: they are damaged, cut,
// forged, or another row's. Nothing of them has been given out, except the verified beginning of a
// stream.
type OpenError struct {
	Place  Place // a wrap has no table and no column
	reason string
}

// The reasons of an OpenError, beside an unknown format version.
const (
	decryptionFailed = "decryption failed"
	cutShort         = "cut short"
)

func (e *OpenError) Error() string {
	return fmt.Sprintf("open %s: %s", e.Place, e.reason)
}

// String names the place in errors, as far as it is known.
func (p Place) String() string {
	var known []string
	for _, part := range []struct{ name, value string }{
		{"municipality", p.Municipality}, {"table", p.Table}, {"row", p.Row}, {"column", p.Column},
	} {
		if part.value != "" {
			known = append(known, fmt.Sprintf("%s %q", part.name, part.value))
		}
	}
	return strings.Join(known, ", ")
}
