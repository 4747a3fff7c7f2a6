import MillraceCore

extension Parser {
    /// The error of a token that does not fit, with what the user most likely meant.
    func unexpected(_ expected: String, isName: Bool = false) -> Diagnostic {
        let token = self.token
        if let diagnostic = token.diagnostic { return diagnostic }
        // `SELECT a FORM t`: FORM was read as an alias, and the error shows one token late.
        if index > 0, bareAliasIndex == index - 1 {
            let alias = tokens[index - 1]
            if alias.text.utf8.count > 2, let clause = NearestName.find(alias.text, in: Keywords.clauses) {
                return Diagnostic(
                    "expected \"\(clause)\" but found \(alias.shown)", at: alias.range,
                    hint: "Did you mean \"\(clause)\"?")
            }
        }
        return Diagnostic(
            "expected \(expected) but found \(token.shown)", at: token.range, hint: hint(expected, isName: isName))
    }

    private func hint(_ expected: String, isName: Bool) -> String? {
        let isReserved = token.kind == .word && Keywords.reserved.contains(token.keyword)
        let isClause = isReserved && Keywords.clauses.contains(token.keyword)
        if index > 0, isSign(",", ahead: -1), isClause || isSign(")") { return "Remove the \",\" before it." }
        if index > 0, isSign("="), isSign("=", ahead: -1) { return "Write one \"=\" to compare." }
        if token.kind == .word, !isReserved, expectationIndex == index, token.text.utf8.count > 2,
            let hint = NearestName.hint(token.text, in: expectations)
        {
            return hint
        }
        if index > 0, isText(tokens[index - 1]), previousRange.end.line > previousRange.start.line {
            return "The string before it began in line \(previousRange.start.line); a quote may be missing there."
        }
        if expected == "\";\"", isClause {
            return "The order is SELECT, FROM, WHERE, GROUP BY, HAVING, WINDOW, QUALIFY, ORDER BY, LIMIT."
        }
        if isSign(")"), openParenthesis == nil { return "There is no \"(\" for it." }
        if expected.hasSuffix("\")\""), isClause || isSign(";") || token.kind == .end, let open = openParenthesis {
            let start = open.range.start
            return "The \"(\" in line \(start.line), column \(start.column) is not closed."
        }
        // `SELECT order FROM t` means a column; `SELECT a + FROM t` has nothing to quote.
        let isLikelyName =
            !isClause || expected != "an expression" || isWord("FROM", ahead: 1)
            || [",", ".", ")", ";"].contains { isSign($0, ahead: 1) }
        if isReserved, isName, isLikelyName {
            return "\"\(token.text)\" is a reserved word; write it in backticks to use it as a name."
        }
        return nil
    }

    private func isText(_ token: Token) -> Bool { token.kind == .string || token.kind == .doubleQuotedString }

    /// The innermost `(` of the statement that the tokens before this one leave open.
    private var openParenthesis: Token? {
        var depth = 0
        for token in tokens[..<index].reversed() where token.kind == .sign {
            switch token.text {
            case ";": return nil
            case ")": depth += 1
            case "(" where depth == 0: return token
            case "(": depth -= 1
            default: break
            }
        }
        return nil
    }

    func unsupported(_ what: String, at range: SourceRange, hint: String? = nil) -> Diagnostic {
        Diagnostic("\(what) is not supported", at: range, hint: hint)
    }

    /// `what`: the statement's first words in upper case.
    func unsupportedStatement(_ what: String, at range: SourceRange) -> Diagnostic {
        let first = what.split(separator: " ").first.map(String.init) ?? what
        return unsupported(what, at: range, hint: Keywords.insteadOf[what] ?? Keywords.insteadOf[first])
    }

    /// `SET a.b = 3s`: keys and values stand in quotes.
    mutating func unquotedSetting() -> Diagnostic {
        let start = token.range
        var key = token.text
        advance()
        while isSign(".") || isSign("-"), ahead(1).kind == .word {
            key += token.text + ahead(1).text
            index += 2
        }
        let range = start.through(previousRange)
        var value = ""
        if isSign("=") {
            advance()
            while token.kind != .end, !isSign(";"), token.range.start.line == range.start.line {
                value += token.text
                advance()
            }
        }
        return Diagnostic(
            "expected an option name in quotes but found \"\(key)\"", at: range,
            hint: "Write SET '\(key)' = '\(value.isEmpty ? "…" : value)'.")
    }

    mutating func warn(_ message: String, at range: SourceRange, hint: String? = nil) {
        diagnostics.append(Diagnostic(message, at: range, hint: hint, severity: .warning))
    }
}
