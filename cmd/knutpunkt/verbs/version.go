package verbs

import "runtime/debug"

// release is set by the linker in a release build.
var release = ""

// version tells which build this is: a release, or the commit that it was built of.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return "development " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return "development"
}
