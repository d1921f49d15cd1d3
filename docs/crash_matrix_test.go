package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A named test is `folder.TestName`, or `chaos:scenario`.
var (
	namedTest     = regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`")
	namedScenario = regexp.MustCompile("`chaos:([a-z0-9-]+)`")
)

// TestTheCrashMatrixIsExercised sees to it that every line of crash-matrix.md names what
// exercises it, or says what it waits for, and that what it names is there.
func TestTheCrashMatrixIsExercised(t *testing.T) {
	text, err := os.ReadFile("crash-matrix.md")
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 29; n++ {
		if !strings.Contains(string(text), fmt.Sprintf("\n| K%d |", n)) {
			t.Errorf("K%d is not there", n)
		}
	}
	scenarios := goText(t, "../cmd/knutpunkt-chaos", ".go")
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "exercised by |\n") {
			continue
		}
		tests, told := namedTest.FindAllStringSubmatch(line, -1), namedScenario.FindAllStringSubmatch(line, -1)
		if len(tests)+len(told) == 0 && !strings.Contains(line, "not applicable yet: ") {
			t.Errorf("nothing exercises: %s", line)
		}
		for _, named := range tests {
			if !strings.Contains(goText(t, "../"+named[1], "_test.go"), "\nfunc "+named[2]+"(") {
				t.Errorf("there is no %s in %s", named[2], named[1])
			}
		}
		for _, named := range told {
			if !strings.Contains(scenarios, fmt.Sprintf("Name: %q", named[1])) {
				t.Errorf("the harness has no scenario %s", named[1])
			}
		}
	}
}

// goText gives all of a folder's Go text.
func goText(t *testing.T, folder, ending string) string {
	t.Helper()
	files, err := filepath.Glob(folder + "/*" + ending)
	if err != nil || len(files) == 0 {
		t.Errorf("there is no Go in %s", folder)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
