import MillraceCore

extension Parser {
    /// `a.b.c`, or `f(…)` with FILTER and OVER. `isForced`: the first word is taken even if it is reserved.
    mutating func parseNameOrCall(isForced: Bool = false) throws(Diagnostic) -> ExpressionSyntax {
        let parts: [Identifier]
        if isForced {
            parts = [try parseAnyIdentifier("a function name")]
        } else {
            guard isName() else { throw unexpected("an expression", isName: true) }
            parts = try parseDottedName("an expression")
        }
        let name = ObjectName(parts)
        guard isSign("(") else { return ExpressionSyntax(.name(parts), range: name.range) }
        var call = try parseCall(name, isTableFunction: false)
        try parseCallClauses(&call)
        return ExpressionSyntax(.call(call), range: name.range.through(previousRange))
    }

    /// IGNORE NULLS, FILTER and OVER, as far as they are there.
    private mutating func parseCallClauses(_ call: inout CallSyntax) throws(Diagnostic) {
        if call.nulls == nil { call.nulls = parseNullTreatment() }
        if isWord("FILTER"), isSign("(", ahead: 1) {
            index += 2
            try expect(words: "WHERE")
            call.filter = try parseExpression()
            try expect(")")
        }
        if accept(words: "OVER") { call.over = try parseWindow() }
    }

    /// `(…)` behind a function's name. In a table function `(query)` is a table argument, elsewhere a scalar sub-query.
    mutating func parseCall(_ name: ObjectName, isTableFunction: Bool) throws(Diagnostic) -> CallSyntax {
        try expect("(")
        var call = CallSyntax(name: name, arguments: [])
        if accept(")") { return call }
        if isSign("*"), isSign(")", ahead: 1) {
            takeAsterisk(&call)
            return call
        }
        call.isDistinct = accept(words: "DISTINCT")
        if !call.isDistinct, isWord("ALL"), !isSign("(", ahead: 1) { advance() }
        if name.parts.count == 1, name.text.uppercased() == "JSON_OBJECTAGG" {
            try parseJSONPair(&call)
            return call
        }
        repeat { try parseOneArgument(&call, isTableFunction: isTableFunction) } while accept(",")
        if !isTableFunction {
            call.nulls = parseNullTreatment()
            call.leavesOutNull = parseJSONNullClause()
        }
        try expectListEnd()
        return call
    }

    private mutating func takeAsterisk(_ call: inout CallSyntax) {
        call.arguments = [.init(value: ExpressionSyntax(.asterisk, range: token.range))]
        index += 2
    }

    private mutating func parseOneArgument(_ call: inout CallSyntax, isTableFunction: Bool) throws(Diagnostic) {
        if token.kind == .word || token.kind == .quotedName, isSign("=>", ahead: 1) {
            if let argument = try parseNamedArgument(isTableFunction: isTableFunction) {
                call.arguments.append(argument)
            }
            return
        }
        call.arguments.append(.init(value: try parseArgument(isTableFunction: isTableFunction)))
    }

    private mutating func parseNullTreatment() -> CallSyntax.NullTreatment? {
        guard isWord("NULLS", ahead: 1) else { return nil }
        if accept(words: "IGNORE", "NULLS") { return .ignore }
        return accept(words: "RESPECT", "NULLS") ? .respect : nil
    }

    /// `NAME => value`, nil when none starts here.
    mutating func parseNamedArgument(isTableFunction: Bool) throws(Diagnostic) -> CallSyntax.ArgumentSyntax? {
        guard token.kind == .word || token.kind == .quotedName, isSign("=>", ahead: 1) else { return nil }
        let name = try parseAnyIdentifier("an argument name")
        advance()
        return .init(name: name, value: try parseArgument(isTableFunction: isTableFunction))
    }

    private mutating func parseArgument(isTableFunction: Bool) throws(Diagnostic) -> ExpressionSyntax {
        let start = token.range
        if isWord("TABLE") {
            advance()
            return try parseTableArgument(start)
        }
        if isWord("MODEL"), ahead(1).kind == .word || ahead(1).kind == .quotedName {
            advance()
            let name = try parseObjectName("a model name")
            return ExpressionSyntax(.modelArgument(name), range: start.through(previousRange))
        }
        let isParenthesised = isSign("(")
        let value = try parseExpression()
        if isTableFunction, isParenthesised, case .scalarQuery(let query) = value.kind {
            return try finishTableArgument(TableSyntax(.query(query), range: value.range), start)
        }
        return value
    }

    /// Behind TABLE: `t`, `(query)`, `(f(…))` or `f(…)`.
    private mutating func parseTableArgument(_ start: SourceRange) throws(Diagnostic) -> ExpressionSyntax {
        try enter()
        defer { leave() }
        let tableStart = token.range
        var inner = 0
        while isSign("(", ahead: inner) { inner += 1 }
        let kind: TableSyntax.Kind
        if inner > 0, isQueryStart(ahead: inner) {
            guard case .scalarQuery(let query) = try parsePrimary().kind else {
                throw Diagnostic("expected a query in parentheses", at: tableStart.through(previousRange))
            }
            kind = .query(query)
        } else if accept("(") {
            kind = try parseNamedTable(isLateral: false)
            try expect(")")
        } else {
            kind = try parseNamedTable(isLateral: false)
        }
        return try finishTableArgument(TableSyntax(kind, range: tableStart.through(previousRange)), start)
    }

    private mutating func finishTableArgument(
        _ table: TableSyntax, _ start: SourceRange
    ) throws(Diagnostic) -> ExpressionSyntax {
        var partitionBy: [ExpressionSyntax] = []
        if accept(words: "PARTITION") {
            try expect(words: "BY")
            if accept("(") {
                repeat { partitionBy.append(try parseExpression()) } while accept(",")
                try expect(")")
            } else {
                partitionBy = [try parseExpression()]
            }
        }
        return ExpressionSyntax(
            .tableArgument(table, partitionBy: partitionBy), range: start.through(previousRange))
    }

    // MARK: Windows

    /// Behind OVER: `w` or `(…)`.
    mutating func parseWindow() throws(Diagnostic) -> WindowSyntax {
        let start = token.range
        if !isSign("(") {
            let name = try parseIdentifier("\"(\" or a window name")
            return WindowSyntax(name: name, partitionBy: [], orderBy: [], frame: nil, range: name.range)
        }
        advance()
        var window = WindowSyntax(partitionBy: [], orderBy: [], frame: nil, range: start)
        if isName(), !isWord("PARTITION"), !isWord("ROWS"), !isWord("RANGE") {
            window.name = try parseIdentifier("a window name")
        }
        if accept(words: "PARTITION") {
            try expect(words: "BY")
            repeat { window.partitionBy.append(try parseExpression()) } while accept(",")
        }
        if accept(words: "ORDER") {
            try expect(words: "BY")
            window.orderBy = try parseOrder()
        }
        let isRange = accept(words: "RANGE")
        if isRange || accept(words: "ROWS") {
            if accept(words: "BETWEEN") {
                let first = try parseBound()
                try expect(words: "AND")
                window.frame = .init(isRange: isRange, start: first, end: try parseBound())
            } else {
                window.frame = .init(isRange: isRange, start: try parseBound(), end: .currentRow)
            }
        }
        try expect(")")
        window.range = start.through(previousRange)
        return window
    }

    private mutating func parseBound() throws(Diagnostic) -> WindowSyntax.FrameSyntax.Bound {
        if accept(words: "CURRENT") {
            try expect(words: "ROW")
            return .currentRow
        }
        if isWord("UNBOUNDED") {
            advance()
            if accept(words: "PRECEDING") { return .unboundedPreceding }
            try expect(words: "FOLLOWING")
            return .unboundedFollowing
        }
        let distance = try parse(Precedence.concat)
        if accept(words: "PRECEDING") { return .preceding(distance) }
        try expect(words: "FOLLOWING")
        return .following(distance)
    }

    /// Behind ORDER BY.
    mutating func parseOrder() throws(Diagnostic) -> [OrderSyntax] {
        var items: [OrderSyntax] = []
        repeat {
            let expression = try parseExpression()
            let isDescending = accept(words: "DESC")
            if !isDescending { accept(words: "ASC") }
            var nullsFirst: Bool?
            if accept(words: "NULLS") {
                nullsFirst = accept(words: "FIRST")
                if nullsFirst == false { try expect(words: "LAST") }
            }
            items.append(OrderSyntax(expression: expression, isDescending: isDescending, nullsFirst: nullsFirst))
        } while accept(",")
        return items
    }
}
