package hub

import (
	"strings"
	"testing"
)

// A file is held only when it is known to be something else than it says. Most of what
// people send is odd and harmless.
func TestDisguised(t *testing.T) {
	const (
		exe     = "MZ\x90\x00\x03\x00\x00\x00\x04\x00"
		svg     = `<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>`
		ole     = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"
		webPage = "<!DOCTYPE html><html><script>alert(1)</script>"
	)
	for _, test := range []struct {
		name, media, file, start, want string
	}{
		{"PDF", "application/pdf", "a.pdf", "%PDF-1.7", ""},
		{"PDF by its name alone", "application/octet-stream", "A.PDF", exe, "a PDF, and looks like a program"},
		{"PDF by its type alone", "application/pdf", "ritning", webPage, "a PDF, and looks like an HTML page"},
		{"PDF that is a page, with blanks", "application/pdf", "a.pdf", " \r\n\t<HTML>", "a PDF, and looks like an HTML page"},
		{"PDF that is a page, with a mark", "application/pdf", "a.pdf", "\xEF\xBB\xBF<html>", "a PDF, and looks like an HTML page"},
		{"page first, PDF after", "application/pdf", "a.pdf", "<html><!--%PDF-1.7", "a PDF, and looks like an HTML page"},
		{"PDF that is an archive", "application/pdf", "a.pdf", "PK\x03\x04", "a PDF, and looks like an archive"},
		{"PDF that is a picture", "application/pdf", "a.pdf", "\xFF\xD8\xFF\xE0", "a PDF, and looks like a picture"},
		{"PDF with a printer's words before it", "application/pdf", "a.pdf", "\x1B%-12345X@PJL\n%PDF-1.4", ""},
		{"PDF that is text: nobody is hurt", "application/pdf", "a.pdf", "hej", ""},
		{"Linux program", "image/png", "a.png", "\x7FELF\x02\x01", "a picture, and looks like a program"},
		{"shell script", "text/plain", "a.txt", "#!/bin/sh\n", "text, and looks like a program"},
		{"text that begins with MZ", "text/plain", "a.txt", "MZ Bygg AB intygar", ""},
		{"picture of another sort: phones do it", "image/jpeg", "IMG_1.jpg", "\x89PNG\x0D\x0A\x1A\x0A", ""},
		{"picture that nobody recognises", "image/heic", "IMG_1.heic", "\x00\x00\x00\x18ftypheic", ""},
		{"Word", "", "a.docx", "PK\x03\x04", ""},
		{"Word, old", "application/msword", "a.doc", ole, ""},
		{"Word, locked", "", "a.docx", ole, ""},
		{"Word that is a page", "", "a.doc", webPage, "an Office document, and looks like an HTML page"},
		{"program that says so", "application/octet-stream", "a.exe", exe, ""},
		{"page that says so", "text/html", "a.html", webPage, ""},
		{"type and name differ", "application/pdf", "a.jpg", "%PDF-1.7", "a picture, and looks like a PDF"},
		{"drawing", "image/svg+xml", "a.svg", svg, ""},
		{"drawing after a comment", "image/svg+xml", "a.svg", "<!-- Inkscape -->" + svg, ""},
		{"drawing with a script", "image/svg+xml", "a.svg", strings.Replace(svg, "<circle", "<script>x</script><circle", 1), "an SVG drawing, and has a script in it"},
		{"drawing with a script in a namespace", "", "a.svg", strings.Replace(svg, "<circle", "<SVG:Script/><circle", 1), "an SVG drawing, and has a script in it"},
		{"drawing that acts", "", "a.svg", strings.Replace(svg, "r=", "onload = ", 1), "an SVG drawing, and has a script in it"},
		{"drawing that leads to a script", "", "a.svg", strings.Replace(svg, `r="4"`, `href="JavaScript:x"`, 1), "an SVG drawing, and has a script in it"},
		{"drawing in UTF-16", "", "a.svg", "\xFF\xFE<\x00s\x00v\x00g\x00", "an SVG drawing, and has a script in it"},
		{"drawing that is a picture", "", "a.svg", "GIF89a", "an SVG drawing, and looks like a picture"},
		{"XML after a comment", "text/xml", "a.xml", "<!-- x --><a/>", ""},
		{"text that is XML", "text/plain", "a.txt", "<?xml version='1.0'?>", ""},
		{"unknown kind", "application/x-dwg", "a.dwg", exe, ""},
		{"no name, no type", "", "", exe, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := disguised(claimed(test.media, test.file), []byte(test.start)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// FuzzDisguised: whatever a file begins with and is called, a note about it holds words
// of the hub's alone.
func FuzzDisguised(f *testing.F) {
	f.Add("application/pdf", "a.pdf", []byte("MZ\x90\x00"))
	f.Add("image/svg+xml", "x.svg", []byte("<svg onload=x>"))
	f.Add("", "a..", []byte{})
	f.Fuzz(func(t *testing.T, media, name string, start []byte) {
		says := claimed(media, name)
		fault := disguised(says, start)
		if len(says) == 0 && fault != "" {
			t.Fatal("nothing was said, and it is wrong")
		}
		for kind := range looks {
			fault = strings.ReplaceAll(fault, kind, "")
		}
		switch strings.ReplaceAll(strings.ReplaceAll(fault, aPage, ""), aProgram, "") {
		case "", ", and looks like ", ", and has a script in it":
		default:
			t.Fatalf("%q", fault)
		}
	})
}
