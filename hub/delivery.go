package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// A Key names one delivery for ever: submission + "-" + leg, and "-rN" after a
// correction. It is what a system is asked to remember.
type Key string

// KeyOf makes the Key of a leg's delivery.
func KeyOf(submission ID, leg string) Key { return Key(string(submission) + "-" + leg) }

// A Delivery hands one document to one system. Sent again it is byte for byte
// the same under the same Key.
type Delivery struct {
	Key          Key
	Case         CaseID
	Municipality Municipality
	Operation    string // what the mapping wants done; Capabilities say how sure it can be
	Document     Document
	Files        []File             // every attachment in order, then the form itself as its print or as it came
	Receipts     map[string]Receipt // what the case already has, by leg
	InDoubt      time.Time          // when the first attempt began that may have been taken; zero when there is none
	damage       *damage            // of Files
}

// A File is an attachment that can be streamed to a system. Open gives its
// decrypted bytes; the caller closes it. It can be opened again for a re-send.
type File struct {
	Attachment
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// A Document is what one system gets: rendered by a mapping, never edited by a
// connector.
type Document struct {
	Type string // media type with charset
	body *[]byte
	sum  [32]byte
}

// NewDocument holds body, which must not change afterwards.
func NewDocument(mediaType string, body []byte) Document {
	return Document{Type: mediaType, body: &body, sum: sha256.Sum256(body)}
}

// Reveal gives the document's bytes. They must not be changed.
func (d Document) Reveal() []byte {
	if d.body == nil {
		return nil
	}
	return *d.body
}

// SHA256 tells whether two renders are the same document.
func (d Document) SHA256() [32]byte { return d.sum }

func (d Document) id() string                   { return "document " + hex.EncodeToString(d.sum[:6]) }
func (d Document) Format(f fmt.State, _ rune)   { io.WriteString(f, d.id()) }
func (d Document) LogValue() slog.Value         { return slog.StringValue(d.id()) }
func (d Document) MarshalJSON() ([]byte, error) { return []byte(`"` + d.id() + `"`), nil }

// A Receipt is a system's word that it has taken a delivery (kvittens).
type Receipt struct {
	Number string    `json:"number,omitempty"` // what people call it: the diarienummer, a file name
	Ref    string    `json:"ref,omitempty"`    // what the system calls it in its own reports; "" = Number
	At     time.Time `json:"at"`               // the system's time, else ours
	Parts  []Part    `json:"parts,omitempty"`  // one for each file that was handed over
}

// A Part is the receipt of one file.
type Part struct {
	SHA256 string `json:"sha256"` // hexadecimal
	Ref    string `json:"ref,omitempty"`
}

// ErrNotFound says that what was asked for is certainly not there.
var ErrNotFound = errors.New("not found")

// ErrCannotTell says that a system cannot be asked about an earlier attempt.
var ErrCannotTell = errors.New("cannot tell")

// ErrGone says that a referred file is no longer to be had.
var ErrGone = errors.New("gone")

// ErrPartly says that a register knows somebody, and not enough of her, or nothing recent
// enough, to go on alone: what it knows is given beside it.
var ErrPartly = errors.New("not enough is known")

// ErrMismatch says that a register answered about somebody else.
var ErrMismatch = errors.New("answer is about another person")

// Reject wraps err as the answer *no*: this document will never be taken and a
// person must look.
func Reject(err error) error { return &answer{err: err, kind: no} }

// Later wraps err as the answer *not now*: the delivery was certainly not taken
// and may be sent again after wait, or by the hub's own schedule when wait is 0.
func Later(err error, wait time.Duration) error { return &answer{err: err, kind: notNow, wait: wait} }

// Unavailable wraps err as *not now* for a reason that is no fault of the
// document: expired credentials, a wrong address, a system that is down. It opens
// the system's circuit at once, so that one fault is one incident.
func Unavailable(err error, cause Cause) error {
	return &answer{err: err, kind: notNow, cause: cause}
}

// Unsure makes of err, whatever it answered, a plain *don't know* with the same text: what
// was made before it may be there.
func Unsure(err error) error { return errors.New(err.Error()) }

// Strange wraps err as a *don't know* that is no answer at all: a login page, half
// a reply, a reply to somebody else. Three in a row open the system's circuit.
func Strange(err error) error { return &answer{err: err, kind: strange, cause: ContractBroken} }

// A Cause tells people why a circuit is open.
type Cause string

const (
	Down           Cause = "down"            // nobody answers
	Credentials    Cause = "credentials"     // 401, 403
	AddressChanged Cause = "address-changed" // 3xx, 404, 405, 410
	ContractBroken Cause = "contract-broken" // answers that are no answers
	Busy           Cause = "busy"            // 429, 503
)

// An Answer is what came of an attempt, as the hub acts on it.
type Answer string

const (
	Yes      Answer = "yes"
	No       Answer = "no"
	NotNow   Answer = "not-now"
	DontKnow Answer = "dont-know"
)

// AnswerOf reads the answer out of what Deliver returned. Any error that is
// neither Reject nor Later is a *don't know*: it may have been taken. A receipt
// without a number is no receipt.
func AnswerOf(r Receipt, err error) (a Answer, wait time.Duration, cause Cause) {
	var ans *answer
	switch {
	case err == nil && r.Number == "":
		return DontKnow, 0, ContractBroken
	case err == nil:
		return Yes, 0, ""
	case !errors.As(err, &ans):
		return DontKnow, 0, ""
	case ans.kind == no:
		return No, 0, ""
	case ans.kind == strange:
		return DontKnow, 0, ans.cause
	}
	return NotNow, ans.wait, ans.cause
}

type answerKind uint8

const (
	no answerKind = iota
	notNow
	strange
)

// An answer is an error that commands the engine.
type answer struct {
	err   error
	kind  answerKind
	wait  time.Duration
	cause Cause
}

func (a *answer) Error() string { return a.err.Error() }
func (a *answer) Unwrap() error { return a.err }

// A Level says what follows a *don't know* at one operation.
type Level string

const (
	Blind      Level = "blind"      // neither: a person decides. Also every operation that is not certified
	Lookup     Level = "lookup"     // the system can be asked
	Idempotent Level = "idempotent" // the system recognises our Key
)

// Capabilities tell, per operation, how sure a delivery can be.
type Capabilities map[string]Capability

// A Capability is what a system promises about one operation.
type Capability struct {
	Level     Level
	Lag       time.Duration // how long a made case may be invisible to Find
	Protected bool          // can carry a mark of protected identity
	Announces bool          // says when the first byte is about to leave: see Announce
	Claimed   bool          // the Level is what somebody has written of this very system, not what its connector's code can
	Unproved  Level         // what would be the Level, had a certificate proved it; "" when it is
}

// Of gives the capability of an operation; an unknown one is blind.
func (c Capabilities) Of(operation string) Capability {
	if k, ok := c[operation]; ok {
		return k
	}
	return Capability{Level: Blind}
}
