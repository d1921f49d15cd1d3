package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Problem is something that people who write mappings and routes must mend. It tells
// of their text, never of a form that came in.
type Problem struct {
	File   string // or the flag or the variable that says it
	Line   int    // from 1; 0 where there is no file
	Column int    // from 1; 0 where it is not known
	Text   string

	shown bool
}

// IsShown reports whether it was a test's document that showed the problem: a line of which more is
// told without a test need not be told of twice.
func (p Problem) IsShown() bool { return p.shown }

// String writes "FILE:LINE: TEXT (column COLUMN)", as far as they are known. A Text of several lines has what is wrong in its
// first, and below it the place.
func (p Problem) String() string {
	text, below, several := strings.Cut(p.Text, "\n")
	if p.Column > 0 {
		text += fmt.Sprintf(" (column %d)", p.Column)
	}
	if several {
		text += "\n" + below
	}
	if p.Line == 0 {
		return p.File + ": " + text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
}

// A report gathers the problems of one file, so that people mend all of it at once.
type report struct {
	file     string
	problems []Problem
	unread   int // how many of them are about an expression that could not be compiled
}

func (r *report) add(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: max(line, 1), Text: fmt.Sprintf(format, args...)})
}

// addAt notes a problem in an expression: with the column in the file, and a caret
// under the place in the expression.
func (r *report) addAt(at place, fault *syntaxFault, source string) {
	column, text := at.column, fault.text
	if column > 0 {
		column += max(fault.column, 0)
	}
	if fault.column >= 0 && !strings.Contains(source, "\n") {
		text += "\n | " + source + "\n | " + strings.Repeat(".", fault.column) + "^"
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: max(at.line, 1), Column: column, Text: text})
}

// tellAt notes a problem at a place of the file, with its column where that is known.
func (r *report) tellAt(at place, format string, args ...any) {
	r.addAt(at, &syntaxFault{-1, fmt.Sprintf(format, args...)}, "")
}

// at notes a problem with what a node of the file holds.
func (r *report) at(node *yaml.Node, format string, args ...any) {
	r.tellAt(place{node.Line, node.Column}, format, args...)
}

// sorted gives the problems in the order of the file, each once.
func (r *report) sorted() []Problem {
	slices.SortFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(r.problems)
}

// A place is where something stands in a file of people's.
type place struct{ line, column int }

// near gives the name that somebody who wrote word may have meant, as a hint to put
// after a problem; "" when none is near.
func near(word string, names []string) string {
	if meant := Nearest(word, names); meant != "" {
		return "; is it " + meant + "?"
	}
	return ""
}

// Nearest gives the name, of those that there are, that somebody who wrote word may have
// meant; "" when none is near.
func Nearest(word string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least && d < len([]rune(word)) {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters that must be put in, taken out or changed (Levenshtein).
func distance(from, to string) int {
	a, b := []rune(from), []rune(to)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
