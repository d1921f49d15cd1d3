package sqlite

import "os"

func planted(bug string) bool { return os.Getenv("KNUTPUNKT_BUG") == bug }

func synchronous() string {
	if planted("m2") {
		return "synchronous(OFF)"
	}
	return "synchronous(FULL)"
}
