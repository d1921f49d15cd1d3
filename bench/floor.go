package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// A floor is the smallest honest program that does for one e-service what Knutpunkt
// does: what a good engineer writes by hand, for one municipality. It keeps the same
// promises. The form is read strictly; 202 comes after the fsync that covers it; who
// posts twice is heard once; what a person said, or a register said of her, is sealed;
// an attempt is on disk before its first byte leaves; and what a crash leaves unfinished
// is taken up again, under the same keys.
//
// It has nothing else: no routes or mappings, no schedule, no feed, no pages, nothing to
// ask it by.
type floor struct {
	at       *neighbours
	keys     *seal.Keys
	schema   document.Validator
	client   *http.Client
	file     *file
	web      *listener
	accepted chan *application
	stop     chan struct{}
	workers  sync.WaitGroup
	done     atomic.Int64
}

// An application is one form on its way.
type application struct {
	id     string
	key    seal.DataKey
	form   filledIn
	person *entry // once the register has answered
	number string // once the diarium has given one
}

func openFloor(dir string, at *neighbours) (junction, error) {
	f := &floor{at: at, accepted: make(chan *application, 1<<16), stop: make(chan struct{})}
	var err error
	if f.keys, err = openKeys(dir); err != nil {
		return nil, err
	}
	if f.schema, err = document.CompileXSD(installation("schemas"), "bygg/ansokan.xsd"); err != nil {
		return nil, err
	}
	if f.file, err = openFile(databaseIn(dir)); err != nil {
		return nil, err
	}
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	f.web, err = listen(http.HandlerFunc(f.receive))
	return f, err
}

// atOnce is how many applications are delivered at a time.
const atOnce = 32

func (f *floor) url() string    { return f.web.url }
func (f *floor) completed() int { return int(f.done.Load()) }

func (f *floor) start() error {
	for range atOnce {
		f.workers.Go(func() {
			for {
				select {
				case a := <-f.accepted:
					f.carry(a)
				case <-f.stop:
					return
				}
			}
		})
	}
	return f.resume()
}

func (f *floor) close() {
	f.web.close()
	close(f.stop)
	f.workers.Wait()
	f.file.close()
}

// receive makes a form durable and answers with its receipt.
func (f *floor) receive(w http.ResponseWriter, r *http.Request) {
	shown, want := sha256.Sum256([]byte(r.Header.Get("Authorization"))), sha256.Sum256([]byte("Bearer "+token))
	if subtle.ConstantTimeCompare(shown[:], want[:]) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
	a := &application{
		id: fmt.Sprintf("%013x%s", time.Now().UnixMilli(), rand.Text()[:13]), key: f.keys.NewLooseKey(),
	}
	if err == nil {
		err = document.DecodeJSON(text, &a.form)
	}
	if err != nil || key == "" || a.form.Municipality != municipality || a.form.Service != "bygglov" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id, err := f.keep(a, key, text)
	switch {
	case errors.Is(err, hub.ErrKeyReused):
		w.WriteHeader(http.StatusConflict)
		return
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if id == a.id {
		f.accepted <- a
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/submissions/"+id)
	w.WriteHeader(http.StatusAccepted)
	json.NewEncoder(w).Encode(map[string]any{"id": id, "step": hub.Inkommet, "received": time.Now().UTC()})
}

// keep writes a form, and gives the ID that it has: an earlier one when it came before.
func (f *floor) keep(a *application, key string, text []byte) (id string, err error) {
	wrapped, err := f.keys.Wrap(a.key, municipality, a.id)
	if err != nil {
		return "", err
	}
	sealed, err := a.key.Seal(placeOf(a.id, "form"), text)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	mark, fingerprint := f.keys.Index("idempotency", key), f.keys.Index("fingerprint", string(sum[:]))
	err = f.file.commit(func(tx *transaction) error {
		var before []byte
		found, err := tx.one("SELECT submission, fingerprint FROM seen WHERE mark = ?",
			[]any{mark}, &id, &before)
		switch {
		case err != nil:
			return err
		case found && !bytes.Equal(before, fingerprint):
			id = ""
			return nil
		case found:
			return nil
		}
		id = a.id
		err = tx.exec("INSERT INTO seen (mark, submission, fingerprint) VALUES (?, ?, ?)", mark, id, fingerprint)
		if err != nil {
			return err
		}
		return tx.exec("INSERT INTO submissions (id, received, step, data_key, form) VALUES (?, ?, ?, ?, ?)",
			id, time.Now().UnixNano(), hub.Inkommet, wrapped, sealed)
	})
	if err == nil && id == "" {
		err = hub.ErrKeyReused
	}
	return id, err
}

// carry takes an application as far as it comes. What stops it is tried again later:
// each document goes under a key of its own, by which its system knows it.
func (f *floor) carry(a *application) {
	if err := f.deliver(a); err != nil {
		time.AfterFunc(time.Second, func() { f.accepted <- a })
	}
}

func (f *floor) deliver(a *application) error {
	if a.person == nil {
		var found entry
		asked := question{a.form.Answers.Applicant.Personnummer}
		if err := f.post("register", "", "application/json", asked.json(), &found); err != nil {
			return err
		}
		a.person = &found
	}
	if a.person.Protected {
		return errors.New("a person must look")
	}
	if a.number == "" {
		if err := f.register(a); err != nil {
			return err
		}
	}
	return f.build(a)
}

// register makes the case in the diarium.
func (f *floor) register(a *application) error {
	text := a.registration()
	answered, err := json.Marshal(a.person)
	if err == nil {
		answered, err = a.key.Seal(placeOf(a.id, "person"), answered)
	}
	if err != nil {
		return err
	}
	err = f.file.commit(func(tx *transaction) error {
		if err := tx.exec("UPDATE submissions SET person = ? WHERE id = ?", answered, a.id); err != nil {
			return err
		}
		return tx.begin(a.id+"-diarium", text)
	})
	if err != nil {
		return err
	}
	var got receipt
	if err := f.post("diarium", a.id+"-diarium", "application/json", text, &got); err != nil {
		return err
	}
	a.number = got.Number
	return nil
}

// build hands the application to the building system, with its number on it. The
// diarium's receipt is written with this attempt.
func (f *floor) build(a *application) error {
	text := a.ansokan()
	if err := f.schema.Validate(text); err != nil {
		return err
	}
	err := f.file.commit(func(tx *transaction) error {
		if err := tx.end(a.id, "diarium", receipt{a.number}, string(hub.Registrerat)); err != nil {
			return err
		}
		return tx.begin(a.id+"-bygg", text)
	})
	if err != nil {
		return err
	}
	var got receipt
	if err := f.post("bygg", a.id+"-bygg", "application/xml", text, &got); err != nil {
		return err
	}
	err = f.file.commit(func(tx *transaction) error { return tx.end(a.id, "bygg", got, "completed") })
	if err == nil {
		f.done.Add(1)
	}
	return err
}

// post sends text under a key and reads the answer.
func (f *floor) post(system, key, media string, text []byte, into any) error {
	r, err := http.NewRequest(http.MethodPost, f.at.url(system), bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", media)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// resume takes up what an earlier process left unfinished.
func (f *floor) resume() error {
	return f.file.unfinished(func(id string, wrapped, form, person []byte, number string) error {
		key, err := f.keys.DataKey(municipality, id, wrapped)
		if err != nil {
			return err
		}
		a := &application{id: id, key: key, number: number}
		text, err := key.Open(placeOf(id, "form"), form)
		if err == nil {
			err = document.DecodeJSON(text, &a.form)
		}
		if err == nil && person != nil {
			if text, err = key.Open(placeOf(id, "person"), person); err == nil {
				err = json.Unmarshal(text, &a.person)
			}
		}
		if err == nil {
			f.accepted <- a
		}
		return err
	})
}

func placeOf(id, column string) seal.Place {
	return seal.Place{Municipality: municipality, Table: "submissions", Row: id, Column: column}
}
