package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDecisionsDoAsShown runs what the page on the work list shows, against a hub that
// runs and has something to decide about: a form for each id that the page names.
func TestDecisionsDoAsShown(t *testing.T) {
	binary := built(t)
	dir, port := filepath.Join(t.TempDir(), "kept"), freePorts(t)
	stage := exec.Command(binary, "demo", "--once", "--forms", "1", "--dir", dir, "--port", port)
	if out, err := stage.CombinedOutput(); err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	serving := exec.Command(binary, "serve", "--config", dir)
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serving.Process.Signal(syscall.SIGTERM); serving.Wait() })

	page := strings.ReplaceAll(read(t, "sv/felkorg.md"), "/tmp/knutpunkt", dir)
	held := map[string]string{}
	for _, id := range regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b`).FindAllString(page, -1) {
		if held[id] == "" {
			held[id] = unknownForm(t, dir, port, len(held))
			page = strings.ReplaceAll(page, id, held[id])
		}
	}
	ran := 0
	for _, b := range blocksOf("sv/felkorg.md", page) {
		if b.lang != "console" {
			continue
		}
		for _, c := range commandsOf(b.text) {
			c.run(t, binary, dir)
			ran++
		}
	}
	if ran < 8 {
		t.Errorf("only %d commands were run", ran)
	}
}

// unknownForm posts a form that no route is for, as soon as the hub takes it, and gives
// its id when it is in the work list.
func unknownForm(t *testing.T, dir, port string, n int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	token, err := os.ReadFile(filepath.Join(dir, "secrets", "oep-client"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, status int, into any) bool {
		req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+port+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == status && json.NewDecoder(resp.Body).Decode(into) == nil
	}
	form := fmt.Sprintf(`{"municipality":"1080","service":"799","source":{"system":"oep","id":"unknown-%d","version":"1"},"answers":{}}`, n)
	var receipt, standing struct{ ID, State string }
	for !call("POST", "/v1/submissions", form, http.StatusAccepted, &receipt) ||
		!call("GET", "/v1/submissions/"+receipt.ID, "", http.StatusOK, &standing) || standing.State != "held" {
		if ctx.Err() != nil {
			t.Fatal("the hub takes no forms, or lays none in the work list")
		}
	}
	return receipt.ID
}
