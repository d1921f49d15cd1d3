package main

import (
	"bytes"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// A junction is what is measured: it receives forms and, once it is started, takes them
// all the way.
type junction interface {
	url() string
	start() error
	completed() int // forms that every system has given a receipt for, durably
	close()
}

// An opener opens a junction whose files are in dir, beside the neighbours.
type opener func(dir string, at *neighbours) (junction, error)

// A load is what a junction is measured with.
type load struct {
	forms   int
	clients int
	deliver bool // else forms are only received
}

// A cost is what a load took.
type cost struct {
	wall      time.Duration
	cpu       time.Duration // of the whole process: neighbours and clients too
	allocated uint64        // bytes
	commits   uint32
	live      uint64 // bytes on the heap afterwards
}

// measure runs a load on a junction of its own, and sees to it that every form came
// exactly once to both systems.
func measure(open opener, l load) (cost, error) {
	dir, err := os.MkdirTemp("", "knutpunkt-bench-")
	if err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(dir)
	at, err := openNeighbours()
	if err != nil {
		return cost{}, err
	}
	defer at.close()
	j, err := open(dir, at)
	if err != nil {
		return cost{}, err
	}
	defer j.close()
	if l.deliver {
		if err := j.start(); err != nil {
			return cost{}, err
		}
	}
	return l.run(j, at, databaseIn(dir))
}

func (l load) run(j junction, at *neighbours, database string) (cost, error) {
	forms := make([][]byte, l.forms)
	for i := range forms {
		forms[i] = form(i)
	}
	runtime.GC()
	before := now(database)
	if err := post(j.url(), forms, l.clients); err != nil {
		return cost{}, err
	}
	if l.deliver {
		if err := l.arrives(j, at); err != nil {
			return cost{}, err
		}
	}
	spent := now(database).since(before)
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	spent.live = memory.HeapAlloc
	return spent, nil
}

// arrives waits until every form has come all the way. A minute without any is an error.
func (l load) arrives(j junction, at *neighbours) error {
	for last, since := -1, time.Now(); ; time.Sleep(2 * time.Millisecond) {
		built, twice := at.bygg.has()
		cases, again := at.diarium.has()
		switch {
		case twice+again > 0:
			return fmt.Errorf("%d documents came twice", twice+again)
		case built == l.forms && cases == l.forms && j.completed() == l.forms:
			return nil
		case built > last:
			last, since = built, time.Now()
		case time.Since(since) > time.Minute:
			return fmt.Errorf("%d of %d forms came all the way", built, l.forms)
		}
	}
}

// post has the clients post every form once.
func post(url string, forms [][]byte, clients int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, clients)
	for range clients {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(forms); i = int(next.Add(1)) - 1 {
				if err := postOne(client, url, i, forms[i]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

func postOne(client *http.Client, url string, i int, text []byte) error {
	r, err := http.NewRequest(http.MethodPost, url+"/v1/submissions", bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", fmt.Sprintf("bench-form-%d", i))
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("a form was answered with %d: %s", resp.StatusCode, answer)
	}
	return err
}

// A moment is how much had been spent by then.
type moment struct {
	at        time.Time
	cpu       time.Duration
	allocated uint64
	commits   uint32
}

func now(database string) moment {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return moment{
		time.Now(), time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), memory.TotalAlloc, commitsOf(database),
	}
}

func (m moment) since(before moment) cost {
	return cost{
		wall: m.at.Sub(before.at), cpu: m.cpu - before.cpu, allocated: m.allocated - before.allocated,
		commits: m.commits - before.commits,
	}
}

// commitsOf counts the transactions that were ever committed to a SQLite database in WAL
// mode while it is open: the third word of the index beside it (iChange in
// https://sqlite.org/walformat.html#the_wal_index_header). So both sides are counted from
// outside, by the same.
func commitsOf(database string) uint32 {
	head, err := os.ReadFile(database + "-shm")
	if err != nil || len(head) < 12 {
		return 0
	}
	return binary.NativeEndian.Uint32(head[8:])
}

func databaseIn(dir string) string { return filepath.Join(dir, "forms.db") }

// openKeys opens the key file in dir, and makes it when it is not there.
func openKeys(dir string) (*seal.Keys, error) {
	path := filepath.Join(dir, "keys.json")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := seal.Init(path, municipality); err != nil {
			return nil, err
		}
	}
	return seal.Open("file:" + path)
}

//go:embed installation
var files embed.FS

// installation gives a folder of the configuration that Knutpunkt runs here. The floor
// has its schema from the same place.
func installation(folder string) fs.FS {
	sub, err := fs.Sub(files, filepath.Join("installation", folder))
	if err != nil {
		panic(err)
	}
	return sub
}

// A listener serves HTTP on a port of this machine.
type listener struct {
	url    string
	server *http.Server
}

func listen(h http.Handler) (*listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: h}
	web.Harden(server)
	go server.Serve(l)
	return &listener{"http://" + l.Addr().String(), server}, nil
}

func (l *listener) close() { l.server.Close() }
