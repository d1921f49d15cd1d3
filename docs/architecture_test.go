package docs

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryDependencyHasALine holds the table of dependencies against go.mod's direct
// ones.
func TestEveryDependencyHasALine(t *testing.T) {
	required, _, _ := strings.Cut(read(t, "../go.mod"), "\n)")
	var direct []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(required, -1) {
		direct = append(direct, m[1])
	}
	var told []string
	for _, row := range rowsOf(t, "../ARCHITECTURE.md", "| dependency | door | why it is here |") {
		told = append(told, row[0])
	}
	slices.Sort(direct)
	slices.Sort(told)
	if !slices.Equal(direct, told) {
		t.Errorf("go.mod requires\n%s\nand ARCHITECTURE.md tells of\n%s", strings.Join(direct, "\n"), strings.Join(told, "\n"))
	}
}

// TestEveryFolderIsTold looks for each package in the list of folders; what stands in a
// connector's folder is told of by its README.
func TestEveryFolderIsTold(t *testing.T) {
	page := read(t, "../ARCHITECTURE.md")
	out, err := exec.Command("go", "list", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		folder := strings.TrimPrefix(strings.TrimPrefix(p, "github.com/knutpunkt/knutpunkt"), "/")
		isConnector := strings.HasPrefix(folder, "connectors/") && folder != "connectors/certify" && folder != "connectors/connectortest" && folder != "connectors/simledger"
		if folder != "" && !isConnector && !strings.Contains(page, "`"+folder+"`") && !strings.Contains(page, "("+folder+")") {
			t.Errorf("ARCHITECTURE.md does not tell of %s", folder)
		}
	}
}
