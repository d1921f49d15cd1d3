package declared

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Meaning is what systems.yaml says that a status, a Fault or a code means.
type Meaning string

const (
	Accepted       Meaning = "accepted" // what is answered counts
	Refused        Meaning = "refused"  // no
	Later          Meaning = "later"    // not now
	DontKnow       Meaning = "dont-know"
	Credentials    Meaning = "credentials"     // not now, until a person has seen to it
	AddressChanged Meaning = "address-changed" // not now, until a person has seen to it
	ContractBroken Meaning = "contract-broken" // not now, until a person has seen to it
	NotFound       Meaning = "not-found"       // of a question: there is none
)

// Meanings are a table from what a system says.
type Meanings map[string]Meaning

// Means gives the hub's answer to what says, in an answer, that which means m; nil where the answer counts.
func (a *Answer) Means(m Meaning, what string) error {
	err := errors.New(what)
	switch m {
	case Accepted:
		return nil
	case NotFound:
		return fmt.Errorf("%w: %s", hub.ErrNotFound, what)
	case Refused:
		return a.told(hub.Reject(err))
	case Later:
		return a.told(hub.Later(err, hub.RetryAfter(a.Header, a.now)))
	case Credentials:
		return hub.Unavailable(err, hub.Credentials)
	case AddressChanged:
		return hub.Unavailable(err, hub.AddressChanged)
	case ContractBroken:
		return hub.Unavailable(err, hub.ContractBroken)
	}
	return err
}

// told adds to a *no* what its text may tell, and sees to it that a system which asks us to come back is left
// alone until what it may have made all the same can be seen.
func (a *Answer) told(err error) error {
	switch kind, wait, _ := hub.AnswerOf(hub.Receipt{Number: "none"}, err); {
	case kind == hub.No:
		return fmt.Errorf("%w, fingerprint %s", err, fingerprint(a.Text))
	case kind == hub.NotNow && wait > 0 && wait < a.call.Lag:
		return hub.Later(err, a.call.Lag)
	}
	return err
}

var digits = regexp.MustCompile(`[0-9]+`)

// fingerprint lets people see that two refusals say the same. The text itself may quote a person.
func fingerprint(text []byte) string {
	sum := sha256.Sum256(digits.ReplaceAll(text, []byte("#")))
	return hex.EncodeToString(sum[:4])
}

// An Outcome is a code in an answer that says how it went, where the status says only that the system
// answered. The nil Outcome takes every answer.
type Outcome struct {
	At    Pointer
	Means Meanings // "" is that nothing stands there
}

// Judge gives nil for an answer that counts. A code that nobody has said the meaning of is a *don't know*;
// it is not repeated.
func (o *Outcome) Judge(a *Answer, n Node) error {
	if o == nil {
		return nil
	}
	code := o.At.text(n)
	if truth, is := o.At.in(n).(bool); is {
		code = strconv.FormatBool(truth)
	}
	switch m, known := o.Means[code]; {
	case known && code == "":
		return a.Means(m, "no code in the answer")
	case known:
		return a.Means(m, "code "+code)
	case code == "":
		return strangeAt(o.At, "the answer does not say how it went: nothing can be read at %s")
	}
	return errors.New("a code that result.values does not have")
}
