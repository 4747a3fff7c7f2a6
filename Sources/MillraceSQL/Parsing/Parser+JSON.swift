import MillraceCore

extension Parser {
    /// A SQL/JSON function, from its name on; nil for a word that is none.
    mutating func parseJSONFunction(_ word: String) throws(Diagnostic) -> ExpressionSyntax? {
        guard let function = JSONSyntax.Function(rawValue: word) else { return nil }
        let start = token.range
        index += 2
        var json = JSONSyntax(function)
        switch function {
        case .object, .array: try parseJSONItems(&json)
        case .exists, .value, .query: try parseJSONClauses(&json)
        }
        try expect(")")
        return ExpressionSyntax(.json(json), range: start.through(previousRange))
    }

    /// `[KEY] key VALUE value [… ON NULL])` of JSON_OBJECTAGG.
    mutating func parseJSONPair(_ call: inout CallSyntax) throws(Diagnostic) {
        if isWord("KEY"), !isWord("VALUE", ahead: 1), !isSign(":", ahead: 1) { advance() }
        call.arguments.append(.init(value: try parse(Precedence.concat)))
        if !accept(":") { try expect(words: "VALUE") }
        call.arguments.append(.init(value: try parseExpression()))
        call.leavesOutNull = parseJSONNullClause()
        try expect(")")
    }

    /// `ABSENT ON NULL` (true) or `NULL ON NULL`.
    mutating func parseJSONNullClause() -> Bool? {
        guard isJSONNullClause else { return nil }
        defer { index += 3 }
        return isWord("ABSENT")
    }

    private mutating func parseJSONItems(_ json: inout JSONSyntax) throws(Diagnostic) {
        if !isSign(")"), !isJSONNullClause {
            repeat {
                guard json.function == .object else {
                    json.arguments.append(try parseExpression())
                    continue
                }
                if isWord("KEY"), !isWord("VALUE", ahead: 1), !isSign(":", ahead: 1) { advance() }
                json.arguments.append(try parse(Precedence.concat))
                if !accept(":") { try expect(words: "VALUE") }
                json.arguments.append(try parseExpression())
            } while accept(",")
        }
        json.leavesOutNull = parseJSONNullClause()
    }

    private var isJSONNullClause: Bool {
        (isWord("NULL") || isWord("ABSENT")) && isWord("ON", ahead: 1) && isWord("NULL", ahead: 2)
    }

    private mutating func parseJSONClauses(_ json: inout JSONSyntax) throws(Diagnostic) {
        json.arguments.append(try parseExpression())
        while accept(",") { json.arguments.append(try parseExpression()) }
        if accept(words: "RETURNING") { json.returning = try parseType() }
        if json.function == .query {
            if accept(words: "WITHOUT") {
                accept(words: "ARRAY")
                try expect(words: "WRAPPER")
                json.wrapper = .without
            } else if accept(words: "WITH") {
                json.wrapper = accept(words: "CONDITIONAL") ? .conditional : .unconditional
                accept(words: "UNCONDITIONAL")
                accept(words: "ARRAY")
                try expect(words: "WRAPPER")
            }
        }
        while let behavior = try parseJSONBehavior() {
            try expect(words: "ON")
            if accept(words: "EMPTY") {
                json.onEmpty = behavior
            } else {
                try expect(words: "ERROR")
                json.onError = behavior
            }
        }
    }

    private mutating func parseJSONBehavior() throws(Diagnostic) -> JSONSyntax.Behavior? {
        if accept(words: "NULL") { return .null }
        if accept(words: "ERROR") { return .error }
        if accept(words: "TRUE") { return .true }
        if accept(words: "FALSE") { return .false }
        if accept(words: "UNKNOWN") { return .unknown }
        if accept(words: "DEFAULT") { return .value(try parse(Precedence.concat)) }
        guard accept(words: "EMPTY") else { return nil }
        if accept(words: "OBJECT") { return .emptyObject }
        accept(words: "ARRAY")
        return .emptyArray
    }
}
