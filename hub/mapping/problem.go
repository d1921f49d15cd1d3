package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is something that people who write mappings and routes must mend. It tells
// of their text, never of a form that came in.
type Problem struct {
	File   string
	Line   int // from 1
	Column int // from 1; 0 where it is not known
	Text   string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// A report gathers the problems of one file, so that people mend all of it at once.
type report struct {
	file     string
	problems []Problem
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
		text += fmt.Sprintf(" (column %d)", column)
	}
	if fault.column >= 0 && !strings.Contains(source, "\n") {
		text += "\n | " + source + "\n | " + strings.Repeat(".", fault.column) + "^"
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: max(at.line, 1), Column: column, Text: text})
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
	best, nearest := "", 3
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < nearest && d < len([]rune(word)) {
			best, nearest = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; is it " + best + "?"
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
