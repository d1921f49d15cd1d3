package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ory/dockertest/v3"
	dc "github.com/ory/dockertest/v3/docker"
)

// docker gives the Docker engine of this machine, nil where none answers within a second.
//
// What follows in this file was written by the API's description and has not been run:
// nowhere that Knutpunkt was built on was there an engine.
var docker = sync.OnceValue(func() *dockertest.Pool {
	pool, err := dockertest.NewPool("")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if pool.Client.PingWithContext(ctx) != nil {
		return nil
	}
	return pool
})

// A container is a server in the network of this machine, so that it has the same
// address as a child would.
type container struct {
	pool    *dockertest.Pool
	options *dockertest.RunOptions

	resource *dockertest.Resource // nil before the first start
	ended    chan struct{}
}

func postgresContainer(pool *dockertest.Pool, port int) *container {
	return &container{pool: pool, options: &dockertest.RunOptions{
		Repository: "postgres", Tag: "15",
		Env: []string{"POSTGRES_HOST_AUTH_METHOD=trust", "PGPORT=" + strconv.Itoa(port)},
		Cmd: []string{"postgres", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "timezone=UTC"},
	}}
}

// kafkaContainer runs a broker by the same properties as a child has; the image's own way
// of making properties out of its environment is passed by.
func kafkaContainer(pool *dockertest.Pool, properties string, format []string) *container {
	const broker = `printf '%s' "$PROPERTIES" >/tmp/server.properties
[ -e /tmp/kafka ] || /opt/kafka/bin/kafka-storage.sh format -c /tmp/server.properties "$@" || exit 1
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties`
	return &container{pool: pool, options: &dockertest.RunOptions{
		Repository: "apache/kafka", Tag: KafkaVersion,
		Env:        []string{"PROPERTIES=" + properties, "KAFKA_HEAP_OPTS=-Xmx384m"},
		Entrypoint: []string{"bash", "-c", broker, "broker"}, Cmd: format,
	}}
}

func (c *container) start(context.Context) (err error) {
	if c.resource == nil {
		c.resource, err = c.pool.RunWithOptions(c.options, func(h *dc.HostConfig) { h.NetworkMode = "host" })
		if err == nil {
			err = guard(c.resource.Container.ID, leaveNoContainer)
		}
	} else {
		err = c.pool.Client.StartContainer(c.resource.Container.ID, nil)
	}
	if err != nil {
		return fmt.Errorf("start a container of %s: %w", c.options.Repository, err)
	}
	ended, id := make(chan struct{}), c.resource.Container.ID
	go func() { c.pool.Client.WaitContainer(id); close(ended) }()
	c.ended = ended
	return nil
}

func (c *container) gone() <-chan struct{} { return c.ended }

func (c *container) end(signal syscall.Signal) error {
	if c.ended == nil {
		return nil
	}
	select {
	case <-c.ended:
		return nil
	default:
	}
	err := c.pool.Client.KillContainer(dc.KillContainerOptions{ID: c.resource.Container.ID, Signal: dc.Signal(signal)})
	if err != nil {
		return fmt.Errorf("stop a container of %s: %w", c.options.Repository, err)
	}
	<-c.ended
	return nil
}

func (c *container) run(_ context.Context, program string, args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	exit, err := c.resource.Exec(append([]string{program}, args...), dockertest.ExecOptions{StdOut: &out, StdErr: &said})
	if err != nil {
		return nil, fmt.Errorf("run %s in a container: %w", program, err)
	}
	if exit != 0 {
		return nil, fmt.Errorf("run %s in a container: exit %d: %s", program, exit, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

func (c *container) remove() error {
	if c.resource == nil {
		return nil
	}
	return c.pool.Purge(c.resource)
}
