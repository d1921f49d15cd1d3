package bus

import (
	"crypto/tls"
	"errors"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

var (
	errDeaf    = errors.New("nothing is heard of what we say")
	errSlow    = errors.New("the brokers take too long")
	errNoTopic = errors.New("there is no such topic")
)

// causeOf says for people what is wrong with the brokers. What a library says may name
// addresses and quote what it read, and is not told.
func causeOf(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var said sarama.KError
	is := func(err2 error) bool { return errors.Is(err, err2) }
	switch {
	case err == nil:
		return "the line was closed"
	case errors.As(err, &certificate):
		return "a broker's certificate is not to be trusted: it has run out, is another host's, or its issuer is not the ca of knutpunkt.yaml"
	case errors.As(err, &record):
		return "the brokers do not speak TLS where they are called, and knutpunkt.yaml says that they do"
	case is(sarama.ErrSASLAuthenticationFailed), is(sarama.ErrUnsupportedSASLMechanism), is(sarama.ErrIllegalSASLState), is(brokers.ErrPassword):
		return "the brokers do not take our user name, password and mechanism"
	case is(errNoTopic) && (is(sarama.ErrTopicAuthorizationFailed) || is(sarama.ErrClusterAuthorizationFailed)):
		return "the topic is not there, and the brokers do not let us make it: make it, or give us the right Create on it"
	case is(errNoTopic):
		return "the topic is not there, and the brokers could not make it: are enough of them up?"
	case is(sarama.ErrTopicAuthorizationFailed), is(sarama.ErrClusterAuthorizationFailed):
		return "the brokers do not give us the rights to the topic that we need"
	case is(sarama.ErrUnknownTopicOrPartition):
		return "the topic is not there"
	case is(sarama.ErrUnsupportedVersion):
		return "the brokers are older than Kafka 2.8"
	case is(sarama.ErrNotEnoughReplicas), is(sarama.ErrNotEnoughReplicasAfterAppend), is(sarama.ErrLeaderNotAvailable):
		return "too few brokers are up to take a record"
	case is(sarama.ErrMessageSizeTooLarge):
		return "the topic takes only records that are smaller than ours"
	case is(errDeaf), is(errSlow):
		return err.Error()
	case errors.As(err, &said):
		return said.Error() // one of the protocol's own sentences
	}
	return "no broker answers"
}
