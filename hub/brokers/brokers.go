// Package brokers is how Kafka's brokers are reached: who we are there, and what both those
// who wake (hub/bus) and those who deliver (connectors/kafka) agree on. How patient they are,
// what they try again and when a record is written is each one's own.
package brokers

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"errors"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Access is how the brokers of a cluster are reached.
type Access struct {
	Brokers  []string    // HOST:PORT of some of them: they tell of the others
	User     string      // "" where nobody is asked who she is
	Password hub.Secret  // of User
	Login    Login       // how the password is shown
	TLS      *tls.Config // nil: in the clear
}

// A Login is a way of showing that one knows a password, by what people write for it.
type Login string

const (
	Scram512 Login = "scram-sha-512" // also where nothing is written
	Scram256 Login = "scram-sha-256"
	Plain    Login = "plain" // shows the password itself, so over TLS only
)

// Known reports whether l is a Login, or nothing.
func (l Login) Known() bool { return l == "" || l == Scram512 || l == Scram256 || l == Plain }

// Settings are the library's own, but for who we are and how the way there is kept from
// others. Kafka from 2.8 on understands this version of the protocol, 4.x included.
func (a Access) Settings() *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID, c.Version = "knutpunkt", sarama.V2_8_0_0
	c.Net.TLS.Enable, c.Net.TLS.Config = a.TLS != nil, a.TLS
	if a.User != "" {
		a.logIn(c)
	}
	return c
}

func (a Access) logIn(c *sarama.Config) {
	sasl := &c.Net.SASL
	sasl.Enable, sasl.User, sasl.Password = true, a.User, a.Password.Reveal()
	switch a.Login {
	case Plain:
		sasl.Mechanism = sarama.SASLTypePlaintext
	case Scram256:
		sasl.Mechanism, sasl.SCRAMClientGeneratorFunc = sarama.SASLTypeSCRAMSHA256, by(sha256.New)
	default: // never the password itself where nobody has written that
		sasl.Mechanism, sasl.SCRAMClientGeneratorFunc = sarama.SASLTypeSCRAMSHA512, by(sha512.New)
	}
}

// A small batch may unpack to any size. The library has one bound for all its users in a
// process, so it is set before any of them begins.
func init() { sarama.MaxDecompressedBatchSize = 64 << 20 }

// ErrPassword says that no broker has been asked: SCRAM has no way of writing the name or the
// password.
var ErrPassword = errors.New("the user name or the password cannot be sent by SCRAM")

// by makes a conversation as often as a connection is made.
func by(hash scram.HashGeneratorFcn) func() sarama.SCRAMClient {
	return func() sarama.SCRAMClient { return &conversation{hash: hash} }
}

// A conversation shows by SCRAM (RFC 5802) that we know a password, without telling it.
type conversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

// Begin prepares what Step and Done go on with.
func (c *conversation) Begin(user, password, authorization string) error {
	client, err := c.hash.NewClient(user, password, authorization)
	if err != nil {
		return ErrPassword
	}
	c.ClientConversation = client.NewConversation()
	return nil
}
