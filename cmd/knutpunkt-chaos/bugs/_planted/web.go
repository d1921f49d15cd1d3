package web

import "os"

func planted(bug string) bool { return os.Getenv("KNUTPUNKT_BUG") == bug }
