package seal

import (
	"fmt"
	"io"
	"log/slog"
)

const (
	keysPrinted    = "[keys]"
	dataKeyPrinted = "[data key]"
	holderPrinted  = "[holder]"
)

// Format prints no key under any verb of fmt.
func (Keys) Format(s fmt.State, _ rune) { io.WriteString(s, keysPrinted) }

// LogValue logs no key.
func (Keys) LogValue() slog.Value { return slog.StringValue(keysPrinted) }

// MarshalText writes no key, to JSON neither.
func (Keys) MarshalText() ([]byte, error) { return []byte(keysPrinted), nil }

// Format prints no key under any verb of fmt.
func (DataKey) Format(s fmt.State, _ rune) { io.WriteString(s, dataKeyPrinted) }

// LogValue logs no key.
func (DataKey) LogValue() slog.Value { return slog.StringValue(dataKeyPrinted) }

// MarshalText writes no key, to JSON neither.
func (DataKey) MarshalText() ([]byte, error) { return []byte(dataKeyPrinted), nil }

// Format prints no key under any verb of fmt.
func (Holder) Format(s fmt.State, _ rune) { io.WriteString(s, holderPrinted) }

// LogValue logs no key.
func (Holder) LogValue() slog.Value { return slog.StringValue(holderPrinted) }

// MarshalText writes no key, to JSON neither.
func (Holder) MarshalText() ([]byte, error) { return []byte(holderPrinted), nil }

// hidden puts secrets where printing does not find them. The methods above are not enough: fmt cannot
// call them on the unexported fields of a struct that holds a key, so it walks into those by itself,
// and follows even pointers under a verb that does not suit them, such as %s. Of a function it knows no
// more than the address.
func hidden[T any](secrets *T) func() *T {
	return func() *T { return secrets }
}
