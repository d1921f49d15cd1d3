package folder

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

func TestUnavailable(t *testing.T) {
	tests := []struct {
		err   error
		cause hub.Cause
		why   string
	}{
		{syscall.ENOSPC, hub.Down, "a full disk is emptied by somebody"},
		{syscall.EDQUOT, hub.Down, "so is a quota"},
		{syscall.EROFS, hub.Down, "it may be mounted for writing again"},
		{syscall.EACCES, hub.Credentials, "a right is missing"},
		{syscall.ENOENT, hub.AddressChanged, "the folder is gone"},
		{fs.ErrClosed, hub.Down, "whatever else"},
	}
	for _, test := range tests {
		err := Unavailable("write the file", &os.PathError{Op: "write", Path: "/srv/bygg/Alva", Err: test.err})
		a, _, cause := hub.AnswerOf(hub.Receipt{}, err)
		if a != hub.NotNow || cause != test.cause || strings.Contains(err.Error(), "Alva") {
			t.Errorf("%v: %s (%s), want not-now (%s): %s; %v", test.err, a, cause, test.cause, test.why, err)
		}
	}
}
