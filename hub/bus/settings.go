package bus

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

// patience is how long a broker may take to answer.
const patience = 5 * time.Second

// settings are how the bus and the status topic use Kafka: sarama's own are for those who can
// lose a record, or need many in flight.
func settings(a brokers.Access) *sarama.Config {
	c := a.Settings()
	c.ChannelBufferSize = 16 // anybody who may write to a topic decides how large a record is
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = patience, patience, patience
	c.Net.MaxOpenRequests = 1 // with more, a record that is sent again may come after its successor
	c.Metadata.Full = false   // other people's topics are no business of ours
	c.Metadata.Timeout = patience
	c.Metadata.AllowAutoTopicCreation = false // settle knows what a topic is to be like
	c.Admin.Timeout = patience
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Producer.Retry.Max = 10
	c.Producer.Timeout = patience
	c.Producer.Return.Successes = true
	c.Consumer.Offsets.Initial = sarama.OffsetNewest
	c.Consumer.Return.Errors = false // nobody would take them, and the consumer would wait for that
	c.Consumer.MaxProcessingTime = patience
	c.Consumer.Fetch.Default, c.Consumer.Fetch.MaxBytes = 64<<10, 1<<20
	return c
}
