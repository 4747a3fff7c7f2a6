import MillraceCore

extension Parser {
    /// A literal, name, call, sub-query or special form, without its postfixes. Leaves the greatest height below in `peak`.
    mutating func parsePrimary() throws(Diagnostic) -> ExpressionSyntax {
        let token = self.token
        switch token.kind {
        case .number: return literal(.number(token.text))
        case .string: return literal(.string(token.text, isDoubleQuoted: false))
        case .doubleQuotedString: return literal(.string(token.text, isDoubleQuoted: true))
        case .binary: return literal(.bytes(Self.bytes(hexadecimal: token.text)))
        case .parameter: return literal(.parameter(token.text))
        case .quotedName: return try parseNameOrCall()
        case .sign where token.text == "[": return try parseCollection()
        case .word: return try parseWord()
        case .sign where token.text == "(":
            advance()
            let kind: ExpressionSyntax.Kind
            switch try parseParenthesised() {
            case .query(let query): kind = .scalarQuery(query)
            case .expressions(let list) where list.count > 1: kind = .rowValue(list)
            case .expressions(let list): kind = try parseDifference(list[0]) ?? list[0].kind
            }
            let whole = ExpressionSyntax(kind, range: token.range.through(previousRange))
            // `(r).a` is a field of the name r, not the name r.a: parsePostfix goes on from here either way.
            return whole
        case .sign where token.text == "[": return try parseArray(token.range)
        default: throw unexpected("an expression", isName: true)
        }
    }

    /// `[1, 2]`, BigQuery's spelling of ARRAY[1, 2].
    private mutating func parseArray(_ start: SourceRange) throws(Diagnostic) -> ExpressionSyntax {
        try enter()
        defer { leave() }
        advance()
        var items: [ExpressionSyntax] = []
        if !accept("]") {
            repeat { items.append(try parseExpression()) } while accept(",")
            try expect("]")
        }
        return ExpressionSyntax(.arrayValue(items), range: start.through(previousRange))
    }

    private mutating func literal(_ kind: ExpressionSyntax.Kind) -> ExpressionSyntax {
        let range = token.range
        advance()
        return ExpressionSyntax(kind, range: range)
    }

    private mutating func literal(_ kind: ExpressionSyntax.Kind, from start: SourceRange) -> ExpressionSyntax {
        advance()
        return ExpressionSyntax(kind, range: start.through(previousRange))
    }

    private static func bytes(hexadecimal text: String) -> [UInt8] {
        let digits = text.utf8.map { $0 <= 0x39 ? $0 - 0x30 : ($0 | 0x20) - 0x61 + 10 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// What begins with a word. Nested calls pass through here, so it keeps nothing on the stack but the answer.
    private mutating func parseWord() throws(Diagnostic) -> ExpressionSyntax {
        if let form = try parseKeyword() { return form }
        return try parseNameOrCall(isForced: isSign("(", ahead: 1) && (isWord("LEFT") || isWord("RIGHT")))
    }

    /// A literal or a form of its own; nil for a plain name or call.
    private mutating func parseKeyword() throws(Diagnostic) -> ExpressionSyntax? {
        let next = ahead(1)
        let isCall = next.kind == .sign && next.text == "("
        let isLiteral = next.kind == .string || next.kind == .doubleQuotedString
        switch token.keyword {
        case "NULL": return literal(.null)
        case "TRUE": return literal(.boolean(true))
        case "FALSE": return literal(.boolean(false))
        case "INTERVAL": return try parseInterval()
        case "CASE": return try parseCase()
        case "DATE" where isLiteral: return parseTemporal(.date, words: 1)
        case "TIME" where isLiteral: return parseTemporal(.time, words: 1)
        case "DATETIME" where isLiteral, "TIMESTAMP" where isLiteral: return parseTemporal(.timestamp, words: 1)
        case "TIMESTAMP_LTZ" where isLiteral: return parseTemporal(.timestampLTZ, words: 1)
        case "NUMERIC" where isLiteral, "BIGNUMERIC" where isLiteral:
            let start = token.range
            advance()
            return literal(.number(token.text), from: start)
        case "ARRAY" where isSign("<", ahead: 1), "STRUCT" where isSign("<", ahead: 1): return try parseTypedValue()
        case "TIMESTAMP"
        where isWord("WITH", ahead: 1) && isWord("LOCAL", ahead: 2) && isWord("TIME", ahead: 3)
            && isWord("ZONE", ahead: 4) && ahead(5).kind == .string:
            return parseTemporal(.timestampLTZ, words: 5)
        case "ARRAY" where isSign("[", ahead: 1), "MAP" where isSign("[", ahead: 1):
            return try parseCollection()
        case "EXISTS" where isCall:
            let start = token.range
            index += 2
            let query = try parseQuery()
            try expect(")")
            return ExpressionSyntax(.exists(query), range: start.through(previousRange))
        case "LEFT" where isCall, "RIGHT" where isCall: return nil
        case "ALL" where isCall, "ANY" where isCall, "SOME" where isCall:
            throw unsupported(
                "comparison with \(token.keyword)", at: token.range,
                hint: "Use x IN (SELECT …), or compare with a MIN or MAX.")
        case let word where isCall:
            return try parseSpecialForm(word)
        case let word where Keywords.bareCalls.contains(word) && !isSign(".", ahead: 1):
            let name = try parseIdentifier("a name")
            return ExpressionSyntax(.call(CallSyntax(name: ObjectName([name]), arguments: [])), range: name.range)
        default: return nil
        }
    }

    private mutating func parseTemporal(_ kind: ExpressionSyntax.TemporalKind, words: Int) -> ExpressionSyntax {
        let start = token.range
        index += words
        let text = token.text
        advance()
        return ExpressionSyntax(.temporal(kind, text), range: start.through(previousRange))
    }

    private mutating func parseCollection() throws(Diagnostic) -> ExpressionSyntax {
        let start = token.range
        let isMap = token.kind == .word && token.keyword == "MAP"
        index += token.kind == .word ? 2 : 1
        var items: [ExpressionSyntax] = []
        if !accept("]") {
            repeat { items.append(try parseExpression()) } while accept(",")
            try expect("]")
        }
        let range = start.through(previousRange)
        if isMap, items.count % 2 != 0 {
            throw Diagnostic(
                "MAP has a key without a value", at: range, hint: "Write MAP['key', value, 'key', value].")
        }
        return ExpressionSyntax(isMap ? .mapValue(items) : .arrayValue(items), range: range)
    }

    /// BigQuery's `ARRAY<INT64>[1, 2]` and `STRUCT<a INT64, b STRING>(1, 'x')`: the value in that type.
    private mutating func parseTypedValue() throws(Diagnostic) -> ExpressionSyntax {
        let start = token.range
        let isArray = token.keyword == "ARRAY"
        let type = try parseType()
        let (open, close) = isArray ? ("[", "]") : ("(", ")")
        try expect(open)
        var items: [ExpressionSyntax] = []
        if !accept(close) {
            repeat { items.append(try parseExpression()) } while accept(",")
            try expect(close)
        }
        let range = start.through(previousRange)
        let value = ExpressionSyntax(isArray ? .arrayValue(items) : .rowValue(items), range: range)
        return ExpressionSyntax(.cast(value, type, isTry: false), range: range)
    }

    private mutating func parseCase() throws(Diagnostic) -> ExpressionSyntax {
        let start = token.range
        advance()
        let operand = isWord("WHEN") ? nil : try parseExpression()
        var whens: [ExpressionSyntax.WhenSyntax] = []
        while accept(words: "WHEN") {
            let condition = try parseExpression()
            try expect(words: "THEN")
            whens.append(.init(condition: condition, result: try parseExpression()))
        }
        if whens.isEmpty { throw unexpected("\"WHEN\"") }
        let otherwise = accept(words: "ELSE") ? try parseExpression() : nil
        guard accept(words: "END") else {
            var error = unexpected(otherwise == nil ? "\"WHEN\", \"ELSE\" or \"END\"" : "\"END\"")
            error.hint =
                error.hint ?? "The CASE in line \(start.start.line), column \(start.start.column) ends with END."
            throw error
        }
        return ExpressionSyntax(
            .conditional(operand: operand, whens, otherwise: otherwise), range: start.through(previousRange))
    }

    // MARK: Intervals

    /// What a unit behind `(a - b)` makes of it: the interval between two times.
    private mutating func parseDifference(_ value: ExpressionSyntax) throws(Diagnostic) -> ExpressionSyntax.Kind? {
        guard case .binary(.subtract, let left, let right) = value.kind, token.kind == .word,
            let unit = IntervalUnit(rawValue: token.keyword)
        else { return nil }
        _ = try parseIntervalUnit()
        if accept(words: "TO") { _ = try parseIntervalUnit() }
        guard [.year, .quarter, .month].contains(unit) else { return value.kind }
        let range = value.range
        let months = CallSyntax(
            name: ObjectName([Identifier("TIMESTAMPDIFF", range: range)]),
            arguments: [ExpressionSyntax(.timeUnit("MONTH"), range: range), right, left].map { .init(value: $0) })
        return .binary(.multiply, ExpressionSyntax(.call(months), range: range), interval(.month, range))
    }

    private func interval(_ unit: IntervalUnit, _ range: SourceRange) -> ExpressionSyntax {
        ExpressionSyntax(.interval(text: "1", from: unit, to: nil, isNegative: false), range: range)
    }

    /// `INTERVAL ['-'] 'text' [unit [(p)] [TO unit [(p)]]]`; a bare number for the text is BigQuery's spelling.
    private mutating func parseInterval() throws(Diagnostic) -> ExpressionSyntax {
        let start = token.range
        advance()
        let isNegative = accept("-")
        if !isNegative { accept("+") }
        guard token.kind == .string || token.kind == .doubleQuotedString || token.kind == .number else {
            guard token.kind == .quotedName || isSign("(") || token.kind == .word && isName() else {
                throw unexpected("an interval such as '5'")
            }
            // BigQuery's `INTERVAL x DAY`.
            let count = try parsePrimary()
            let unit = try parseIntervalUnit()
            let range = start.through(previousRange)
            let signed = isNegative ? ExpressionSyntax(.unary(.minus, count), range: range) : count
            return ExpressionSyntax(.binary(.multiply, signed, interval(unit, range)), range: range)
        }
        let text = token.text
        advance()
        var from: IntervalUnit?
        var to: IntervalUnit?
        let textHasUnit = text.utf8.contains { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }
        // `INTERVAL 'abc' SECOND`: the unit belongs to the literal, which is then refused as a whole.
        if !textHasUnit || IntervalUnit.allCases.contains(where: { isWord($0.rawValue) || isWord($0.rawValue + "S") }) {
            from = try parseIntervalUnit()
            if accept(words: "TO") { to = try parseIntervalUnit() }
        }
        return ExpressionSyntax(
            .interval(text: text, from: from, to: to, isNegative: isNegative), range: start.through(previousRange))
    }

    /// `DAY`, `DAYS`, `DAY(3)`. The precision only says how many digits are allowed and is dropped.
    mutating func parseIntervalUnit() throws(Diagnostic) -> IntervalUnit {
        for unit in IntervalUnit.allCases where accept(words: unit.rawValue) || accept(words: unit.rawValue + "S") {
            if accept("(") {
                _ = try parseInteger("a precision")
                if accept(",") { _ = try parseInteger("a precision") }
                try expect(")")
            }
            return unit
        }
        var error = unexpected("an interval unit such as \"SECOND\"")
        let units = IntervalUnit.allCases.map(\.rawValue).joined(separator: ", ")
        error.hint = error.hint ?? "The units are \(units)."
        throw error
    }

    /// A unit of EXTRACT and its like; Calcite's `SQL_TSI_DAY` is `DAY`.
    private mutating func parseTimeUnit() throws(Diagnostic) -> ExpressionSyntax {
        let token = self.token
        let prefix = "SQL_TSI_"
        let word = token.keyword.hasPrefix(prefix) ? String(token.keyword.dropFirst(prefix.count)) : token.keyword
        guard token.kind == .word, Keywords.timeUnits.contains(word) else {
            var error = unexpected("a unit of time such as \"HOUR\"")
            if token.kind == .word { error.hint = NearestName.hint(token.text, in: Keywords.timeUnits) ?? error.hint }
            throw error
        }
        advance()
        return ExpressionSyntax(.timeUnit(word), range: token.range)
    }

    // MARK: Special forms

    /// Forms whose arguments are not a plain list; nil for any other call.
    private mutating func parseSpecialForm(_ word: String) throws(Diagnostic) -> ExpressionSyntax? {
        let name = Identifier(token.text, range: token.range)
        switch word {
        case "CAST", "TRY_CAST", "SAFE_CAST":
            index += 2
            let operand = try parseExpression()
            try expect(words: "AS")
            let type = try parseType()
            try expect(")")
            return ExpressionSyntax(
                .cast(operand, type, isTry: word != "CAST"), range: name.range.through(previousRange))
        case "ROW":
            index += 2
            var items: [ExpressionSyntax] = []
            if !accept(")") {
                repeat { items.append(try parseExpression()) } while accept(",")
                try expect(")")
            }
            return ExpressionSyntax(.rowValue(items), range: name.range.through(previousRange))
        case "DESCRIPTOR":
            index += 1
            let columns = try parseNameList()
            return ExpressionSyntax(.descriptor(columns), range: name.range.through(previousRange))
        case "EXTRACT":
            index += 2
            let unit = try parseTimeUnit()
            try expect(words: "FROM")
            let operand = try parseExpression()
            return try finish(name, [unit, operand])
        case "TIMESTAMPADD", "TIMESTAMPDIFF":
            index += 2
            var arguments = [try parseTimeUnit()]
            while accept(",") { arguments.append(try parseExpression()) }
            return try finish(name, arguments)
        case "FLOOR", "CEIL", "CEILING":
            index += 2
            var arguments = [try parseExpression()]
            if accept(words: "TO") {
                arguments.append(try parseTimeUnit())
            } else {
                while accept(",") { arguments.append(try parseExpression()) }
            }
            return try finish(name, arguments)
        case "POSITION":
            index += 2
            var arguments = [try parse(Precedence.concat)]
            if accept(words: "IN") {
                arguments.append(try parseExpression())
                if accept(words: "FROM") { arguments.append(try parseExpression()) }
            } else {
                while accept(",") { arguments.append(try parseExpression()) }
            }
            return try finish(name, arguments)
        case "SUBSTRING", "OVERLAY":
            return try parseWordSeparated(name, word == "OVERLAY" ? ["PLACING", "FROM", "FOR"] : ["FROM", "FOR"])
        case "TRIM": return try parseTrim(name)
        case "STRUCT": return try parseStruct(name)
        default: return try parseJSONFunction(word)
        }
    }

    /// The call whose arguments end here.
    private mutating func finish(_ name: Identifier, _ arguments: [ExpressionSyntax]) throws(Diagnostic)
        -> ExpressionSyntax
    {
        try expect(")")
        let call = CallSyntax(name: ObjectName([name]), arguments: arguments.map { .init(value: $0) })
        return ExpressionSyntax(.call(call), range: name.range.through(previousRange))
    }

    /// `f(x FROM a FOR b)`, or the same with commas.
    private mutating func parseWordSeparated(_ name: Identifier, _ words: [String]) throws(Diagnostic)
        -> ExpressionSyntax
    {
        index += 2
        var arguments = [try parseExpression()]
        if isSign(",") {
            while accept(",") { arguments.append(try parseExpression()) }
        } else {
            for word in words where accept(words: word) { arguments.append(try parseExpression()) }
        }
        return try finish(name, arguments)
    }

    /// `TRIM([BOTH | LEADING | TRAILING] [c] FROM x)` as TRIM('BOTH', c, x); without c a blank is trimmed.
    private mutating func parseTrim(_ name: Identifier) throws(Diagnostic) -> ExpressionSyntax {
        index += 2
        let start = token.range
        var side: String?
        for word in ["BOTH", "LEADING", "TRAILING"] where accept(words: word) { side = word }
        if side != nil, accept(words: "FROM") {
            return try finish(name, trim(side, " ", at: start) + [try parseExpression()])
        }
        let first = try parseExpression()
        if side != nil || isWord("FROM") {
            try expect(words: "FROM")
            return try finish(name, [trim(side, "", at: start)[0], first, try parseExpression()])
        }
        var arguments = [first]
        while accept(",") { arguments.append(try parseExpression()) }
        return try finish(name, arguments)
    }

    private func trim(_ side: String?, _ character: String, at range: SourceRange) -> [ExpressionSyntax] {
        [side ?? "BOTH", character].map { ExpressionSyntax(.string($0, isDoubleQuoted: false), range: range) }
    }

    /// `STRUCT(1 AS a, 2)`: a call with named arguments.
    private mutating func parseStruct(_ name: Identifier) throws(Diagnostic) -> ExpressionSyntax {
        index += 2
        var arguments: [CallSyntax.ArgumentSyntax] = []
        if !accept(")") {
            repeat {
                if let argument = try parseNamedArgument(isTableFunction: false) {
                    arguments.append(argument)
                } else {
                    let value = try parseExpression()
                    let field = accept(words: "AS") ? try parseAnyIdentifier("a field name") : nil
                    arguments.append(.init(name: field, value: value))
                }
            } while accept(",")
            try expect(")")
        }
        let call = CallSyntax(name: ObjectName([name]), arguments: arguments)
        return ExpressionSyntax(.call(call), range: name.range.through(previousRange))
    }
}
