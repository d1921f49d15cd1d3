//go:build chaos

package verbs

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

func (ps failpoints) store(s hub.Store) hub.Store { return &failingStore{s, ps} }

type failingStore struct {
	hub.Store
	ps failpoints
}

func (s *failingStore) Receive(ctx context.Context, a hub.Arrival) (r hub.Received, err error) {
	err = s.ps.around("receive", string(a.Submission.Municipality), func() error {
		r, err = s.Store.Receive(ctx, a)
		return err
	})
	return r, err
}

func (s *failingStore) Apply(ctx context.Context, id hub.CaseID, e hub.Event) (c hub.Case, fx hub.Effects, err error) {
	err = s.ps.around(happening(e), about(id, e), func() error {
		c, fx, err = s.Store.Apply(ctx, id, e)
		return err
	})
	return c, fx, err
}

func (s *failingStore) Settle(ctx context.Context, id hub.CaseID, e hub.Event, f hub.Facts) (c hub.Case, fx hub.Effects, err error) {
	err = s.ps.around(happening(e), about(id, e), func() error {
		c, fx, err = s.Store.Settle(ctx, id, e, f)
		return err
	})
	return c, fx, err
}

// happening names the place of an event, such as apply-Started.
func happening(e hub.Event) string { return "apply-" + reflect.TypeOf(e).Name() }

// about is the case of an event and, where it is about a row, the row's Key.
func about(id hub.CaseID, e hub.Event) string {
	if key := reflect.ValueOf(e).FieldByName("Key"); key.IsValid() {
		return fmt.Sprint(id, " ", key.Interface())
	}
	return string(id)
}

func (s *failingStore) ClaimSubmissions(ctx context.Context, l hub.Lease, now time.Time, n int) (claims []hub.Claim, err error) {
	err = s.ps.around("claim-forms", "", func() error {
		claims, err = s.Store.ClaimSubmissions(ctx, l, now, n)
		return err
	})
	return claims, err
}

func (s *failingStore) ClaimDeliveries(ctx context.Context, id hub.SystemID, l hub.Lease, now time.Time, n int) (claims []hub.Claim, err error) {
	err = s.ps.around("claim-deliveries", string(id), func() error {
		claims, err = s.Store.ClaimDeliveries(ctx, id, l, now, n)
		return err
	})
	return claims, err
}

func (s *failingStore) Recover(ctx context.Context, boot string, now time.Time) (n int, err error) {
	err = s.ps.around("recover", "", func() error {
		n, err = s.Store.Recover(ctx, boot, now)
		return err
	})
	return n, err
}

func (s *failingStore) Report(ctx context.Context, id hub.SystemID, rs []hub.Report, next hub.Cursor, now time.Time) (all []hub.Hearing, err error) {
	if len(rs) == 0 {
		return s.Store.Report(ctx, id, rs, next, now)
	}
	err = s.ps.around("report", string(id), func() error {
		all, err = s.Store.Report(ctx, id, rs, next, now)
		return err
	})
	return all, err
}

// Submission is what a form is read back by, before it is decoded.
func (s *failingStore) Submission(ctx context.Context, v hub.Viewer, id hub.ID) (form hub.Submission, err error) {
	err = s.ps.around("submission", string(id), func() error {
		form, err = s.Store.Submission(ctx, v, id)
		return err
	})
	return form, err
}

func (s *failingStore) SaveBundle(ctx context.Context, revision string, archive []byte, now time.Time) error {
	return s.ps.around("bundle", revision, func() error { return s.Store.SaveBundle(ctx, revision, archive, now) })
}

func (ps failpoints) bus(b hub.Bus) hub.Bus { return &failingBus{b, ps} }

type failingBus struct {
	hub.Bus
	ps failpoints
}

// Wake drops the wake where it is to fail.
func (b *failingBus) Wake(ctx context.Context, w hub.Wake) {
	b.ps.around("wake", fmt.Sprint(w.System, " ", w.Case), func() error { b.Bus.Wake(ctx, w); return nil })
}
