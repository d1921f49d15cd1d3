package kafka_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/kafka"
	"github.com/knutpunkt/knutpunkt/connectors/kafka/kafkasim"
)

func TestConformance(t *testing.T) {
	s := kafkasim.Subject()
	s.Connector = kafka.New
	connectortest.Run(t, s)
}
