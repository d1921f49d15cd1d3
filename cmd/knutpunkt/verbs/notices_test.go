package verbs

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// inAnHour is a time as people in Sweden write it.
func inAnHour() string {
	return time.Now().Add(time.Hour).In(hub.Stockholm).Format("2006-01-02 15:04")
}

// A notice is written once, by an operator, and then anybody is told of it until it ends.
func TestNotices(t *testing.T) {
	s := newStaff(t)
	s.run()
	public := func() string {
		resp, err := http.Get(s.url("v1/notices?municipality=1080"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	notices := func(who string, args ...string) (text string, code int) {
		cmd := exec.Command(binary, append(append([]string{"notices"}, args...), "--config", s.dir)...)
		if who != "" {
			cmd.Args = append(cmd.Args, "--as", who)
		}
		cmd.Env = append(os.Environ(), secretVariable+"=the-secret-of-"+who)
		p := startCommand(t, cmd)
		code = p.finish(t)
		return p.out.String() + p.errs.String(), code
	}
	const text = "Diariet är stängt för underhåll."
	for _, test := range []struct {
		name, who, says string
		args            []string
	}{
		{"nobody", "", "--as NAME", []string{"add", "--municipality", "1080", "--until", "2027-01-01 08:00", "--text", text}},
		{"to nobody", "registrator", "--municipality CODE or --all", []string{"add", "--until", "2027-01-01 08:00", "--text", text}},
		{"to all, by who has one municipality", "registrator", "municipality: enum", []string{"add", "--all", "--until", "2090-01-01 08:00", "--text", text}},
		{"no time", "registrator", "--until is a time in Sweden", []string{"add", "--municipality", "1080", "--until", "snart", "--text", text}},
		{"no end", "registrator", "until: required", []string{"add", "--municipality", "1080", "--text", text}},
		{"somebody's number", "registrator", "personnummer", []string{"add", "--municipality", "1080", "--until", inAnHour(), "--text", "gäller 19881003-2386"}},
		{"nothing there", "registrator", "Finns inte", []string{"end", "01ARZ3NDEKTSV4RRFFQ69G5FAV"}},
	} {
		if said, code := notices(test.who, test.args...); code == 0 || !strings.Contains(said, test.says) {
			t.Errorf("%s: exits %d and says %s", test.name, code, said)
		}
	}

	said, code := notices("registrator", "add", "--municipality", "1080", "--until", inAnHour(), "--text", text)
	id, _, _ := strings.Cut(said, " ")
	if code != 0 || !strings.Contains(said, "visas från") {
		t.Fatalf("add exits %d and says %s", code, said)
	}
	if listed, code := notices("", "list"); code != 0 || !strings.Contains(listed, id) || !strings.Contains(listed, "registrator  "+text) {
		t.Errorf("list exits %d and says %s", code, listed)
	}
	if told := public(); !strings.Contains(told, text) || strings.Contains(told, "registrator") {
		t.Errorf("anybody is told %s", told)
	}
	if said, code := notices("gruppledare", "end", id); code != 0 || !strings.Contains(said, id+" visas inte längre") {
		t.Errorf("end exits %d and says %s", code, said)
	}
	if listed, _ := notices("", "list"); strings.Contains(listed, id) {
		t.Errorf("it has ended, and is listed: %s", listed)
	}
}
