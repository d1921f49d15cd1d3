package verbs

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// openBus opens what wakes the hub's loops, and what makes its feed known outside, nil where
// nobody is told so. Brokers that are down keep nothing from starting.
func openBus(k *config.Kafka, log *slog.Logger) (hub.Bus, *bus.Statuses, error) {
	if k == nil {
		return bus.Memory(log), nil, nil
	}
	access, err := accessTo(k)
	if err != nil {
		return nil, nil, err
	}
	wakes := bus.Kafka(access, k.Wakes, log)
	if k.Statuses == "" {
		return wakes, nil, nil
	}
	return wakes, bus.NewStatuses(access, k.Statuses), nil
}

// accessTo gives how brokers are reached.
func accessTo(k *config.Kafka) (brokers.Access, error) {
	a := brokers.Access{Brokers: k.Brokers, User: k.User, Password: k.Password, Login: brokers.Login(k.Login)}
	if k.TLS == nil {
		return a, nil
	}
	var err error
	if a.TLS, err = tlsFor(*k.TLS); err != nil {
		return brokers.Access{}, fmt.Errorf("knutpunkt.yaml:%d: tls: %w", k.Line, err)
	}
	if a.TLS == nil {
		a.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return a, nil
}

// publisher gives the hub who makes its feed known: nil where there is nobody.
func publisher(s *bus.Statuses) hub.Publisher {
	if s == nil {
		return nil
	}
	return s
}
