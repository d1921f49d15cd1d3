package deploy

import (
	"debug/elf"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An instruction is one line of a Dockerfile.
type instruction struct{ word, rest string }

func dockerfile(t testing.TB) (all []instruction) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		word, rest, is := strings.Cut(strings.TrimSpace(line), " ")
		if is && !strings.HasPrefix(line, "#") {
			all = append(all, instruction{word, rest})
		}
	}
	return all
}

// only gives the rest of the lines that begin with a word.
func only(all []instruction, word string) (rest []string) {
	for _, i := range all {
		if i.word == word {
			rest = append(rest, i.rest)
		}
	}
	return rest
}

// TestTheImageIsTheBinaryAndNothingElse holds the Dockerfile against the Makefile, go.mod and what the image is said
// to be.
func TestTheImageIsTheBinaryAndNothingElse(t *testing.T) {
	all := dockerfile(t)
	stages := only(all, "FROM")
	if len(stages) != 2 || stages[1] != "scratch" {
		t.Errorf("the stages are %v; the last is to be scratch", stages)
	}
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if !strings.HasPrefix(stages[0], "golang:"+version+"-") {
		t.Errorf("it is built with %s, and go.mod says Go %s", stages[0], version)
	}
	if !slices.ContainsFunc(only(all, "RUN"), func(c string) bool { return strings.HasSuffix(c, " make build") }) {
		t.Error("it is not built by the Makefile")
	}
	for word, want := range map[string]string{
		"USER": "65532:65532", "EXPOSE": "8700 8701", "ENTRYPOINT": `["/knutpunkt"]`, "CMD": `["serve", "--config", "/etc/knutpunkt"]`,
	} {
		if got := only(all, word); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, not %s", word, got, want)
		}
	}
}

// TestReleaseIsSetByName looks for the variable that the Dockerfile has the linker set: the linker says nothing of
// one that is not there.
func TestReleaseIsSetByName(t *testing.T) {
	set := regexp.MustCompile(`-X=github.com/knutpunkt/knutpunkt/(\S+)\.(\w+)=`).FindStringSubmatch(read(t, "Dockerfile"))
	if set == nil {
		t.Fatal("no release is set")
	}
	if found, err := run(t, "grep", "-rlE", "^var "+set[2]+" = ", filepath.Join("..", set[1])); err != nil {
		t.Errorf("%s has no variable %s %s", set[1], set[2], found)
	}
}

// TestTheBuildNeedsNothingOfItsSystem looks for what the file would ask of a system that it runs on: scratch has
// nothing to give.
func TestTheBuildNeedsNothingOfItsSystem(t *testing.T) {
	file, err := elf.Open(built(t))
	if err != nil {
		missing(t, "what is built here is no ELF file: %v", err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it wants %v (%v)", libraries, err)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("it wants a dynamic loader")
		}
	}
}

// TestSecretsStayOutOfTheBuild looks at what is not sent to the builder.
func TestSecretsStayOutOfTheBuild(t *testing.T) {
	left := strings.Fields(read(t, "Dockerfile.dockerignore"))
	for _, want := range []string{".git", "secrets", "**/secrets", "data", "**/*.db*"} {
		if !slices.Contains(left, want) {
			t.Errorf("%s is sent to the builder", want)
		}
	}
}
