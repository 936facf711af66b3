package main

import (
	"math"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// text is what a scalar says. A number is given as it is written.
func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode:
		return n.Token.Value, true
	case *ast.FloatNode:
		return n.Token.Value, true
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) == 1 {
			return colon(n.Values[0])
		}
	case *ast.MappingValueNode:
		return colon(n)
	}
	return "", false
}

// colon is the text of 192.0.2.1:6379 in {addresses: [192.0.2.1:6379]}, which
// the parser takes for a key and a value. By YAML 1.2 §7.3.3 it is a text, since
// nothing stands between the colon and what follows.
func colon(pair *ast.MappingValueNode) (string, bool) {
	key, okKey := text(pair.Key)
	value, okValue := text(pair.Value)
	at, end := start(pair), start(pair.Value)
	at.column += utf8.RuneCountInString(key) + len(":")
	return key + ":" + value, okKey && okValue && at == end
}

func integer(n ast.Node) (int64, bool) {
	number, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	switch v := number.Value.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(min(v, math.MaxInt64)), true
	}
	return 0, false
}

// kind is what a node is, in an operator's words. Values are not repeated: one
// of them may be a secret at the wrong place.
func kind(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias (&, *, <<), which are not used here; a text that begins so needs quotes"
	case *ast.TagNode:
		return "a tag (!), which are not used here"
	}
	return "what cannot stand here"
}

// start is where a node begins; zero if the tree does not say.
func start(n ast.Node) position {
	switch node := n.(type) {
	case nil:
		return position{}
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return start(node.Values[0])
		}
	case *ast.MappingValueNode:
		return start(node.Key)
	case *ast.NullNode:
		if node.Token.Type == token.ImplicitNullType { // not there
			return position{}
		}
	}
	return tokenStart(n.GetToken())
}

func tokenStart(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}
