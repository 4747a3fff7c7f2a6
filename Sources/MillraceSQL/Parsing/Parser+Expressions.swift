import MillraceCore

/// Operators, weakest first: OR, AND, NOT, IS, comparison, IN/BETWEEN/LIKE, ||, + -, * / %, sign, then `[i]` and `.field`.
enum Precedence {
    static let or = 1, and = 2, not = 3, test = 4, comparison = 5, range = 6, concat = 7, sum = 8, product = 9,
        sign = 10
    static let postfix = 11
}

extension Parser {
    mutating func parseExpression() throws(Diagnostic) -> ExpressionSyntax {
        try parse(Precedence.or)
    }

    /// An expression of operators that bind at least as strongly as `minimum`. One level of nesting.
    mutating func parse(_ minimum: Int) throws(Diagnostic) -> ExpressionSyntax {
        try enter()
        var left = try parseSigned()
        while let level = operatorLevel(), level >= minimum {
            let leftHeight = height
            left = try parseOperator(left, level)
            height = max(height, leftHeight) + 1
            try checkHeight(height)
        }
        leave()
        peak = max(peak, height)
        return left
    }

    private static let binaryOperators: [String: (ExpressionSyntax.BinaryOperator, Int)] = [
        "=": (.equal, Precedence.comparison), "<>": (.notEqual, Precedence.comparison),
        "!=": (.notEqual, Precedence.comparison), "<": (.less, Precedence.comparison),
        "<=": (.lessOrEqual, Precedence.comparison), ">": (.greater, Precedence.comparison),
        ">=": (.greaterOrEqual, Precedence.comparison), "||": (.concat, Precedence.concat),
        "+": (.add, Precedence.sum), "-": (.subtract, Precedence.sum), "*": (.multiply, Precedence.product),
        "/": (.divide, Precedence.product), "%": (.modulo, Precedence.product),
    ]

    /// The level of the operator that starts here, nil when none does.
    private func operatorLevel() -> Int? {
        let token = self.token
        if token.kind == .sign { return Self.binaryOperators[token.text]?.1 }
        guard token.kind == .word else { return nil }
        switch token.keyword {
        case "OR": return Precedence.or
        case "AND": return Precedence.and
        case "IS": return Precedence.test
        case "IN", "BETWEEN", "LIKE": return Precedence.range
        case "SIMILAR": return isWord("TO", ahead: 1) ? Precedence.range : nil
        case "OVERLAPS": return Precedence.range
        case "NOT":
            let next = ahead(1)
            guard next.kind == .word, ["IN", "BETWEEN", "LIKE", "SIMILAR"].contains(next.keyword) else { return nil }
            return Precedence.range
        default: return nil
        }
    }

    /// `left` with the operator that starts here; `height` is the greatest of its other operands.
    private mutating func parseOperator(_ left: ExpressionSyntax, _ level: Int) throws(Diagnostic) -> ExpressionSyntax {
        if level == Precedence.test { return try parseTest(left) }
        if level == Precedence.range { return try parseRangeOperator(left) }
        let kind: ExpressionSyntax.BinaryOperator
        if token.kind == .word {
            kind = token.keyword == "OR" ? .or : .and
        } else {
            kind = Self.binaryOperators[token.text]!.0
        }
        advance()
        if level == Precedence.comparison, let membership = try parseQuantified(kind, left) { return membership }
        let right = try parse(level + 1)
        return ExpressionSyntax(.binary(kind, left, right), range: left.range.through(right.range))
    }

    /// `= ANY (SELECT …)` is IN, `<> ALL (SELECT …)` NOT IN.
    private mutating func parseQuantified(
        _ kind: ExpressionSyntax.BinaryOperator, _ left: ExpressionSyntax
    ) throws(Diagnostic) -> ExpressionSyntax? {
        guard isWord("ANY") || isWord("SOME") || isWord("ALL"), isSign("(", ahead: 1), isQueryStart(ahead: 2) else {
            return nil
        }
        let isAll = isWord("ALL")
        guard kind == (isAll ? .notEqual : .equal) else {
            throw unsupported("\(kind.rawValue) \(token.keyword)", at: token.range, hint: "Use = ANY or <> ALL.")
        }
        index += 2
        let outer = peak
        peak = 0
        let query = try parseQuery()
        try expect(")")
        height = peak
        peak = max(peak, outer)
        return ExpressionSyntax(
            .inQuery(left, query, isNegated: isAll), range: left.range.through(previousRange))
    }

    /// `IS [NOT] NULL | TRUE | FALSE | UNKNOWN | DISTINCT FROM e`
    private mutating func parseTest(_ left: ExpressionSyntax) throws(Diagnostic) -> ExpressionSyntax {
        advance()
        let isNegated = accept(words: "NOT")
        let kind: ExpressionSyntax.Kind
        if accept(words: "NULL") {
            kind = .isNull(left, isNegated: isNegated)
        } else if accept(words: "TRUE") {
            kind = .isTruth(left, true, isNegated: isNegated)
        } else if accept(words: "FALSE") {
            kind = .isTruth(left, false, isNegated: isNegated)
        } else if accept(words: "UNKNOWN") {
            kind = .isTruth(left, nil, isNegated: isNegated)
        } else if accept(words: "DISTINCT") {
            try expect(words: "FROM")
            kind = .isDistinctFrom(left, try parse(Precedence.comparison), isNegated: isNegated)
        } else if accept(words: "JSON") {
            let shape = JSONSyntax.Shape.allCases.first { accept(words: $0.rawValue) }
            kind = .isJSON(left, shape ?? .value, isNegated: isNegated)
        } else {
            throw unexpected("\"NULL\", \"TRUE\", \"FALSE\", \"UNKNOWN\", \"JSON\" or \"DISTINCT FROM\"")
        }
        return ExpressionSyntax(kind, range: left.range.through(previousRange))
    }

    private mutating func parseRangeOperator(_ left: ExpressionSyntax) throws(Diagnostic) -> ExpressionSyntax {
        let isNegated = accept(words: "NOT")
        let kind: ExpressionSyntax.Kind
        if accept(words: "OVERLAPS") {
            kind = .overlaps(left, try parse(Precedence.concat))
        } else if accept(words: "BETWEEN") {
            let isSymmetric = accept(words: "SYMMETRIC")
            if !isSymmetric { accept(words: "ASYMMETRIC") }
            let low = try parse(Precedence.concat)
            let lowHeight = height
            try expect(words: "AND")
            let high = try parse(Precedence.concat)
            height = max(height, lowHeight)
            kind = .between(left, low: low, high: high, isNegated: isNegated, isSymmetric: isSymmetric)
        } else if accept(words: "IN") {
            try expect("(")
            let outer = peak
            peak = 0
            switch try parseParenthesised() {
            case .query(let query): kind = .inQuery(left, query, isNegated: isNegated)
            case .expressions(let list): kind = .inList(left, list, isNegated: isNegated)
            }
            height = peak
            peak = max(peak, outer)
        } else {
            let isSimilar = accept(words: "SIMILAR", "TO")
            if !isSimilar { try expect(words: "LIKE") }
            let pattern = try parse(Precedence.concat)
            var escape: ExpressionSyntax?
            if accept(words: "ESCAPE") {
                let patternHeight = height
                escape = try parse(Precedence.concat)
                height = max(height, patternHeight)
            }
            kind = .like(left, pattern: pattern, escape: escape, isNegated: isNegated, isSimilar: isSimilar)
        }
        return ExpressionSyntax(kind, range: left.range.through(previousRange))
    }

    /// `NOT e`, `-e`, `+e`, or a primary with its postfixes.
    private mutating func parseSigned() throws(Diagnostic) -> ExpressionSyntax {
        let start = token.range
        let sign: ExpressionSyntax.UnaryOperator
        let level: Int
        if isWord("NOT") {
            (sign, level) = (.not, Precedence.not)
        } else if isSign("-") {
            (sign, level) = (.minus, Precedence.sign)
        } else if isSign("+") {
            (sign, level) = (.plus, Precedence.sign)
        } else {
            return try parsePostfix()
        }
        advance()
        let operand = try parse(level)
        height += 1
        return ExpressionSyntax(.unary(sign, operand), range: start.through(operand.range))
    }

    private mutating func parsePostfix() throws(Diagnostic) -> ExpressionSyntax {
        let outer = peak
        peak = 0
        var base = try parsePrimary()
        var baseHeight = peak + 1
        while true {
            if accept("[") {
                peak = 0
                let index = try parseExpression()
                try expect("]")
                baseHeight = max(baseHeight, peak)
                base = ExpressionSyntax(.element(base, index: index), range: base.range.through(previousRange))
            } else if isSign("."), ahead(1).kind == .word || ahead(1).kind == .quotedName {
                advance()
                let field = try parseAnyIdentifier("a field name")
                base = ExpressionSyntax(.field(base, field), range: base.range.through(field.range))
            } else {
                break
            }
            baseHeight += 1
            try checkHeight(baseHeight)
        }
        height = baseHeight
        peak = max(outer, height)
        return base
    }

    enum Parenthesised {
        case query(QuerySyntax)
        case expressions([ExpressionSyntax])
    }

    /// What follows a `(`, up to and with its `)`: a query or a list of expressions.
    mutating func parseParenthesised() throws(Diagnostic) -> Parenthesised {
        if isQueryStart() {
            let query = try parseQuery()
            try expect(")")
            return .query(query)
        }
        let open = index
        var list = [try parseExpression()]
        // `((SELECT …) UNION …)`: what looked like a scalar sub-query opens a longer query.
        if case .scalarQuery(let query) = list[0].kind, tokens[open].text == "(", isQueryContinuation {
            let longer = try parseQuery(continuing: query)
            try expect(")")
            return .query(longer)
        }
        while accept(",") { list.append(try parseExpression()) }
        try expect(")")
        return .expressions(list)
    }

    var isQueryContinuation: Bool {
        ["UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "FETCH"].contains { isWord($0) }
    }
}
