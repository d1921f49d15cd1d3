package enginetest

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

//go:embed kafka/pom.xml
var pom []byte

// KafkaVersion is the version of Apache Kafka that the tests run, the one in kafka/pom.xml.
var KafkaVersion = string(regexp.MustCompile(`(?s)kafka_2\.13.*?<version>(.*?)<`).FindSubmatch(pom)[1])

// Jars gives the folder of Kafka's jars, and fetches them with Maven when they are not
// there. Several processes may ask at once: one fetches, and the others wait for it.
func Jars(ctx context.Context) (string, error) {
	folder, err := jarFolder()
	if err != nil || there(folder) {
		return folder, err
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", fmt.Errorf("%w: no Kafka on this machine, and no mvn to fetch it with; see make engines", ErrMissing)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", fmt.Errorf("keep Kafka: %w", err)
	}
	unlock, err := lock(folder + ".lock")
	if err != nil {
		return "", fmt.Errorf("keep Kafka: %w", err)
	}
	defer unlock()
	if there(folder) {
		return folder, nil // somebody else was first
	}
	return folder, fetch(ctx, folder)
}

func jarFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: no cache folder to keep Kafka in: %w", ErrMissing, err)
	}
	return filepath.Join(cache, "knutpunkt", "kafka-"+KafkaVersion), nil
}

func there(folder string) bool {
	_, err := os.Stat(folder)
	return err == nil
}

// java finds what runs them.
func java() (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("%w: no java on this machine to run Kafka; see make engines", ErrMissing)
	}
	return path, nil
}

// lock waits until nobody else has the file. The system gives it back when we end.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return f.Close, nil
}

// fetch makes the folder whole, or not at all.
func fetch(ctx context.Context, folder string) error {
	work, err := os.MkdirTemp(filepath.Dir(folder), "fetching-")
	if err != nil {
		return fmt.Errorf("fetch Kafka: %w", err)
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return fmt.Errorf("fetch Kafka: %w", err)
	}
	jars := filepath.Join(work, "jars")
	mvn := exec.CommandContext(ctx, "mvn", "-B", "-q", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+jars)
	mvn.Dir = work
	if out, err := mvn.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: Maven did not bring Kafka: %w: %s", ErrMissing, err, first)
	}
	if err := os.Rename(jars, folder); err != nil {
		return fmt.Errorf("fetch Kafka: %w", err)
	}
	return nil
}
