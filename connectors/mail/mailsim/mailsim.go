// Package mailsim is a mail server for the demo and the tests: it speaks as much SMTP as a client needs
// that hands in mail, with STARTTLS and a certificate of its own; it remembers what it took in a ledger on
// disk, and what it took again; and it fails in every way that it is told to. It sends nothing on.
package mailsim

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/mail"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/connectors/simledger"
)

// Options are what a Sim is made of.
type Options struct {
	Dir            string // where the ledger is kept; "" keeps it in memory only
	Clock          func() time.Time
	Certificate    *tls.Certificate // that STARTTLS shows; nil: it is not offered
	User, Password string           // of the account that may send; "" takes anybody
}

// A Sim is one mail server. It is safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	faults simfault.Queue[Fault]

	mu     sync.Mutex
	taken  map[string]bool
	mails  []Mail
	lines  map[net.Conn]bool
	closed bool
}

// An Entry is one mail that was taken. To whom does not stand in it, nor what it says.
type Entry struct {
	At     time.Time `json:"at"`
	ID     string    `json:"id"` // its Message-ID
	To     string    `json:"to"` // SHA-256 of the address, hexadecimal
	Repeat bool      `json:"repeat,omitempty"`
}

// A Mail is one as it came, for whoever wants to look at it. It is kept in memory only.
type Mail struct {
	From, To string
	Text     []byte // with its header
	Secure   bool   // it came over TLS
}

// New opens the ledger in o.Dir, if there is one, and remembers what is in it.
func New(o Options) (*Sim, error) {
	s := &Sim{Options: o, taken: map[string]bool{}, lines: map[net.Conn]bool{}}
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "mail.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.taken[e.ID] = true
	}
	return s, nil
}

// Listen serves whoever connects, until the listener is closed.
func (s *Sim) Listen(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		go s.Serve(conn)
	}
}

// Close hangs up on everybody and closes the ledger.
func (s *Sim) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.lines {
		conn.Close()
	}
	s.closed = true
	return s.ledger.Close()
}

// Ledger gives all that has been taken, in order, repeats among it.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Taken counts the mails that have been taken, each one once.
func (s *Sim) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

// Mails gives the mails since it was opened, in order.
func (s *Sim) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// A Fault is one way to fail. It strikes one mail, the next.
type Fault string

const (
	NoFault      Fault = ""        // lets one mail by
	BadSender    Fault = "553"     // at MAIL
	NoSuchPerson Fault = "550"     // at RCPT; it quotes the address
	Greylisted   Fault = "451"     // at RCPT
	Full         Fault = "452"     // at DATA
	Unwanted     Fault = "554"     // when the mail has come: it is not taken
	Hasty        Fault = "421"     // when the mail has come: it is not taken, and the line is cut
	LostBefore   Fault = "before"  // the line is cut at DATA
	LostAfter    Fault = "after"   // the mail is taken, and the line is cut
	LostGoodbye  Fault = "goodbye" // the mail is taken and that is said, and then the line is cut
)

// Fail chooses faults, in the order in which they shall strike, one mail each.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

func (s *Sim) fault() Fault { return s.faults.Next(simfault.Once) }

// take has a mail on disk. One that is not as mail must be is refused.
func (s *Sim) take(m Mail) error {
	read, err := mail.ReadMessage(bytes.NewReader(m.Text))
	if err != nil {
		return errNoMail
	}
	body, err := io.ReadAll(read.Body)
	_, undated := read.Header.Date()
	id, to := read.Header.Get("Message-ID"), read.Header["To"]
	if err != nil || undated != nil || id == "" || len(to) != 1 || read.Header.Get("From") == "" || len(body) == 0 {
		return errNoMail
	}
	for line := range bytes.SplitSeq(m.Text, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			return errNoMail
		}
	}
	sum := sha256.Sum256([]byte(m.To))
	s.mu.Lock()
	defer s.mu.Unlock()
	e := Entry{At: s.Clock(), ID: id, To: hex.EncodeToString(sum[:]), Repeat: s.taken[id]}
	if err := s.ledger.Append(e); err != nil {
		return err
	}
	s.taken[id] = true
	s.mails = append(s.mails, m)
	return nil
}

var errNoMail = errors.New("that is no mail")
