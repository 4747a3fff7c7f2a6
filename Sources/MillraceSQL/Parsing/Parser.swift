import MillraceCore

/// Recursive descent over the tokens; the grammar is in the extensions.
struct Parser {
    let tokens: [Token]
    var index = 0
    var diagnostics: [Diagnostic] = []
    var lostNames: Set<String> = []

    /// Open parentheses, sub-queries, types: bounds the parser's own recursion.
    private var nesting = 0
    /// Height of the expression read last, and the greatest height read below the current node. They bound the tree,
    /// whose later walks (and release) recurse.
    var height = 0
    var peak = 0

    /// Words that were asked for at token `expectationIndex`: candidates for a misspelling.
    private(set) var expectations: [String] = []
    private(set) var expectationIndex = -1
    /// Token that was last taken for an alias without AS.
    var bareAliasIndex = -1

    init(_ text: String) { tokens = Lexer.tokens(of: text) }

    // MARK: Tokens

    var token: Token { tokens[index] }
    var previousRange: SourceRange { tokens[max(0, index - 1)].range }
    func ahead(_ count: Int) -> Token { tokens[min(index + count, tokens.count - 1)] }
    mutating func advance() { if index < tokens.count - 1 { index += 1 } }

    func isWord(_ word: String, ahead count: Int = 0) -> Bool {
        let token = ahead(count)
        return token.kind == .word && token.keyword == word
    }
    func isSign(_ sign: String, ahead count: Int = 0) -> Bool {
        let token = ahead(count)
        return token.kind == .sign && token.text == sign
    }
    /// Whether a query starts `count` tokens ahead.
    func isQueryStart(ahead count: Int = 0) -> Bool {
        isWord("SELECT", ahead: count) || isWord("WITH", ahead: count) || isWord("VALUES", ahead: count)
    }

    private mutating func note(_ word: String) {
        if expectationIndex != index {
            expectationIndex = index
            expectations.removeAll(keepingCapacity: true)
        }
        expectations.append(word)
    }

    /// Takes the keywords, all or none.
    @discardableResult
    mutating func accept(words first: String, _ rest: String...) -> Bool {
        guard isWord(first) else {
            note(first)
            return false
        }
        for (offset, word) in rest.enumerated() where !isWord(word, ahead: offset + 1) { return false }
        index += 1 + rest.count
        return true
    }

    @discardableResult
    mutating func accept(_ sign: String) -> Bool {
        guard isSign(sign) else { return false }
        index += 1
        return true
    }

    mutating func expect(words: String...) throws(Diagnostic) {
        for word in words {
            guard isWord(word) else {
                note(word)
                throw unexpected("\"\(word)\"")
            }
            advance()
        }
    }

    mutating func expect(_ sign: String) throws(Diagnostic) {
        guard isSign(sign) else { throw unexpected("\"\(sign)\"") }
        advance()
    }

    /// The `)` behind the last item of a list.
    mutating func expectListEnd() throws(Diagnostic) {
        guard accept(")") else { throw unexpected("\",\" or \")\"") }
    }

    mutating func expectEnd() throws(Diagnostic) {
        if token.kind != .end { throw unexpected("the end of the text") }
    }

    // MARK: Limits

    mutating func enter() throws(Diagnostic) {
        nesting += 1
        if nesting > SQLParser.maximumNesting {
            throw Diagnostic(
                "nesting is deeper than \(SQLParser.maximumNesting) levels", at: token.range,
                hint: "Split the query into views.")
        }
    }
    mutating func leave() { nesting -= 1 }

    /// Forgets what an abandoned statement left open.
    mutating func resetLimits() {
        nesting = 0
        height = 0
        peak = 0
    }

    func checkHeight(_ height: Int) throws(Diagnostic) {
        if height > SQLParser.maximumHeight {
            throw Diagnostic(
                "expression is deeper than \(SQLParser.maximumHeight) levels", at: token.range,
                hint: "Write a long chain of OR as IN (…), or split the query into views.")
        }
    }

    // MARK: Names and literals

    func isName(ahead count: Int = 0) -> Bool {
        let token = ahead(count)
        return token.kind == .quotedName || token.kind == .word && !Keywords.reserved.contains(token.keyword)
    }

    private mutating func takeIdentifier() -> Identifier {
        let token = self.token
        advance()
        return Identifier(token.text, isQuoted: token.kind == .quotedName, range: token.range)
    }

    mutating func parseIdentifier(_ what: String) throws(Diagnostic) -> Identifier {
        guard isName() else { throw unexpected(what, isName: true) }
        return takeIdentifier()
    }

    /// A name where no keyword can stand: after a dot, or after AS.
    mutating func parseAnyIdentifier(_ what: String) throws(Diagnostic) -> Identifier {
        guard token.kind == .quotedName || token.kind == .word else { throw unexpected(what, isName: true) }
        return takeIdentifier()
    }

    mutating func parseDottedName(_ what: String) throws(Diagnostic) -> [Identifier] {
        var parts = [try parseIdentifier(what)]
        while isSign("."), !isSign("*", ahead: 1) {
            advance()
            parts.append(try parseAnyIdentifier("a name"))
            if parts.count > 100 { throw Diagnostic("name has more than 100 parts", at: previousRange) }
        }
        return parts
    }

    mutating func parseObjectName(_ what: String) throws(Diagnostic) -> ObjectName {
        ObjectName(try parseDottedName(what))
    }

    /// `(a, b)`
    mutating func parseNameList() throws(Diagnostic) -> [Identifier] {
        try expect("(")
        var names: [Identifier] = []
        repeat { names.append(try parseIdentifier("a column name")) } while accept(",")
        try expectListEnd()
        return names
    }

    mutating func parseString(_ what: String) throws(Diagnostic) -> StringSyntax {
        let token = self.token
        guard token.kind == .string || token.kind == .doubleQuotedString else {
            var error = unexpected(what)
            if token.kind == .word { error.hint = error.hint ?? "Put it in single quotes." }
            throw error
        }
        advance()
        return StringSyntax(token.text, range: token.range)
    }

    /// A count: digits only.
    mutating func parseInteger(_ what: String) throws(Diagnostic) -> Int {
        guard token.kind == .number, let value = Int(token.text) else { throw unexpected(what) }
        advance()
        return value
    }

    /// `('key' = 'value', …)`
    mutating func parseOptions() throws(Diagnostic) -> [OptionSyntax] {
        try expect("(")
        var options: [OptionSyntax] = []
        if accept(")") { return options }
        repeat {
            let key = try parseString("an option name in quotes")
            try expect("=")
            options.append(OptionSyntax(key: key, value: try parseString("an option value in quotes")))
        } while accept(",")
        try expectListEnd()
        return options
    }

    /// `/*+ OPTIONS('k'='v') */`. Other hints are skipped with a warning.
    mutating func parseHints() throws(Diagnostic) -> [OptionSyntax] {
        var options: [OptionSyntax] = []
        while accept("/*+") {
            while !accept("*/") {
                if isWord("OPTIONS"), isSign("(", ahead: 1) {
                    advance()
                    options += try parseOptions()
                } else {
                    let name = try parseIdentifier("a hint")
                    warn("hint \"\(name.text)\" is ignored", at: name.range)
                    try skipParentheses()
                }
                accept(",")
            }
        }
        return options
    }

    private mutating func skipParentheses() throws(Diagnostic) {
        guard isSign("(") else { return }
        var depth = 0
        repeat {
            if token.kind == .end || token.kind == .invalid || isSign(";") { throw unexpected("\")\"") }
            if isSign("(") { depth += 1 }
            if isSign(")") { depth -= 1 }
            advance()
        } while depth > 0
    }
}
