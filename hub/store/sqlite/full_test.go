package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// On a disk that is full in earnest no form is half received, what has been received still
// moves on, and the disk is not taken for a broken one.
func TestFullInEarnest(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be made here: %s", out)
	}
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	s := open(t, dir, newKeys(t), sqlite.Options{
		Boot: "a", Clock: still, LowWater: 1, Ballast: 4 << 20, Fatal: func(err error) { t.Error("the disk has failed:", err) },
		DiskFree: func() (int64, int64, error) { return 1 << 40, 1 << 40, nil }, // as under a quota: there seems to be plenty
	})
	c := planned(t, s, "first")
	accepted := 0
	for i := range 100_000 {
		_, err := s.Receive(t.Context(), arrival(fmt.Sprint(i)))
		if errors.Is(err, hub.ErrStorage) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted++
	}
	if stat, err := os.Stat(filepath.Join(dir, "knutpunkt.db.ballast")); err != nil || stat.Size() != 0 {
		t.Fatalf("%d forms, and the ballast is aboard still: %v", accepted, err)
	}
	deliverAll(t, s)
	if c, err := s.Case(t.Context(), hub.AsHub(), c.ID); err != nil || c.Submissions[0].State != hub.Completed {
		t.Errorf("on a full disk nothing was delivered: %v", err)
	}
	if _, err := s.Receive(t.Context(), arrival("one more")); err == nil {
		t.Error("a form was received into the ballast's room")
	}
	if n := len(everything(t, s)); n != accepted+1 {
		t.Errorf("%d forms are there, and %d were accepted", n, accepted+1)
	}
}
