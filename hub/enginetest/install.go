package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Install brings what the engines need and this machine lacks: Debian's packages where we
// are root, and Kafka's jars. Where all is there it does nothing, quickly. What could not
// be had it says to out, and returns an error wrapping ErrMissing.
func Install(ctx context.Context, out io.Writer) error {
	if docker() != nil {
		return nil
	}
	if packages := lacking(); len(packages) > 0 {
		if err := apt(ctx, out, packages); err != nil {
			fmt.Fprintf(out, "%v\n", err)
		}
	}
	_, postgres := postgresBin()
	_, java := java()
	_, jars := Jars(ctx)
	err := errors.Join(postgres, java, jars)
	if err != nil {
		fmt.Fprintf(out, "NOT TESTED: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nNOT TESTED: "))
	}
	return err
}

// lacking gives the Debian packages that would bring what is not here.
func lacking() (packages []string) {
	if _, err := postgresBin(); err != nil {
		packages = append(packages, "postgresql")
	}
	if _, err := java(); err != nil {
		packages = append(packages, "default-jre-headless")
	}
	if folder, err := jarFolder(); err == nil && !there(folder) {
		if _, err := exec.LookPath("mvn"); err != nil {
			packages = append(packages, "maven")
		}
	}
	return packages
}

// apt installs packages, quietly.
func apt(ctx context.Context, out io.Writer, packages []string) error {
	wanted := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("the tests on real engines want: %s (as root: apt-get install %[1]s)", wanted)
	}
	fmt.Fprintf(out, "installing %s for the tests on real engines\n", wanted)
	for _, words := range [][]string{{"update", "-qq"}, append([]string{"install", "-qq", "-y"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", words...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s does not bring %s: %w", words[0], wanted, err)
		}
	}
	return nil
}
