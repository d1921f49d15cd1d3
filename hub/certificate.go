package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// A Certificate says what has been proved of every system of a kind, or of one system alone:
// how far each of its operations can be trusted after a *don't know*. The kit that examines
// connectors writes it (connectors/certify). What no certificate proves is blind.
type Certificate struct {
	Connector  string           `json:"connector"`
	System     SystemID         `json:"system,omitempty"` // "" for every system of the kind
	Entry      string           `json:"entry,omitempty"`  // what systems.yaml said of that system, as a fingerprint
	Against    Ground           `json:"against"`
	Kit        int              `json:"kit"` // its version
	At         time.Time        `json:"at"`
	Operations map[string]Level `json:"operations"`
}

// A Ground is what something was proved against.
type Ground string

const (
	Simulator  Ground = "simulator"
	TestSystem Ground = "test-system" // the vendor's own, for trying
)

var errCertificate = errors.New("this is no certificate that `knutpunkt connectors certify` has written")

// ReadCertificate reads what Text has written, strictly.
func ReadCertificate(text []byte) (Certificate, error) {
	var c Certificate
	fields := json.NewDecoder(bytes.NewReader(text))
	fields.DisallowUnknownFields()
	if fields.Decode(&c) != nil || fields.Decode(&struct{}{}) != io.EOF || c.Connector == "" || (c.System == "") != (c.Entry == "") ||
		!slices.Contains([]Ground{Simulator, TestSystem}, c.Against) {
		return Certificate{}, errCertificate
	}
	for _, level := range c.Operations {
		if !slices.Contains([]Level{Blind, Lookup, Idempotent}, level) {
			return Certificate{}, errCertificate
		}
	}
	return c, nil
}

// MustCertificate reads a certificate that is embedded in the program; one that cannot be read
// is the programmer's mistake.
func MustCertificate(text []byte) Certificate {
	c, err := ReadCertificate(text)
	if err != nil {
		panic(err)
	}
	return c
}

// Text writes the certificate for a file: the same certificate, the same bytes.
func (c Certificate) Text() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write certificate: %w", err)
	}
	return append(text, '\n'), nil
}

// Certified gives the connector held to what has been proved of it, here and before: each
// other operation of the systems that it opens is blind.
func (c Connector) Certified(by ...Certificate) Connector {
	c.held, c.certificates = true, append(slices.Clip(c.certificates), by...)
	return c
}

// AsCoded gives the connector as its code says that it is, for the kit to examine.
func (c Connector) AsCoded() Connector {
	c.held, c.certificates = false, nil
	return c
}

// hold makes blind what is not proved.
func (c Connector) hold(can Capabilities, system SystemID) Capabilities {
	can = maps.Clone(can)
	for operation, k := range can {
		if k.Level != Blind && !c.proved(operation, k, system) {
			k.Level, k.Unproved = Blind, k.Level
			can[operation] = k
		}
	}
	return can
}

func (c Connector) proved(operation string, k Capability, system SystemID) bool {
	return slices.ContainsFunc(c.certificates, func(x Certificate) bool {
		return x.Connector == c.Name && x.Operations[operation] == k.Level &&
			(x.System == system || x.System == "" && !k.Claimed)
	})
}
