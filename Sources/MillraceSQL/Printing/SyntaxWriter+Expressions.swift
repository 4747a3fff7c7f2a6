extension SyntaxWriter {
    /// Writes `expression`, in parentheses when it binds weaker than `minimum`.
    mutating func write(_ expression: ExpressionSyntax, atLeast minimum: Int = Precedence.or) {
        if expression.kind.precedence < minimum {
            text += "("
            write(expression.kind)
            text += ")"
        } else {
            write(expression.kind)
        }
    }

    mutating func write(_ expressions: [ExpressionSyntax]) { list(expressions) { $0.write($1) } }

    private mutating func write(_ kind: ExpressionSyntax.Kind) {
        switch kind {
        case .null: text += "NULL"
        case .boolean(let value): text += value ? "TRUE" : "FALSE"
        case .number(let number): text += number
        case .string(let string, let isDoubleQuoted):
            if isDoubleQuoted { writeDoubleQuoted(string) } else { writeString(string) }
        case .bytes(let bytes):
            let digits = Array("0123456789ABCDEF")
            text += "X'"
            for byte in bytes {
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            }
            text += "'"
        case .temporal(let kind, let string):
            text += kind == .timestampLTZ ? "TIMESTAMP_LTZ " : kind.rawValue.uppercased() + " "
            writeString(string)
        case .interval(let string, let from, let to, let isNegative):
            text += isNegative ? "INTERVAL -" : "INTERVAL "
            writeString(string)
            if let from { text += " " + from.rawValue }
            if let to { text += " TO " + to.rawValue }
        case .name(let parts): write(parts)
        case .json(let json): write(json)
        case .conditional, .cast, .call, .rowValue, .arrayValue, .mapValue, .field, .element, .exists, .scalarQuery,
            .descriptor, .tableArgument, .modelArgument, .timeUnit, .asterisk, .parameter:
            writePrimary(kind)
        default: writeOperator(kind)
        }
    }

    private mutating func writeDoubleQuoted(_ string: String) {
        text += "\""
        for scalar in string.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { text.unicodeScalars.append("\\") }
            text.unicodeScalars.append(scalar)
        }
        text += "\""
    }

    private mutating func writeOperator(_ kind: ExpressionSyntax.Kind) {
        switch kind {
        case .unary(let sign, let operand):
            text += sign.rawValue
            // "--" would start a comment.
            if sign == .not { text += " " } else if case .unary = operand.kind { text += " " }
            write(operand, atLeast: sign == .not ? Precedence.not : Precedence.sign)
        case .binary(let sign, let left, let right):
            write(left, atLeast: kind.precedence)
            text += " \(sign.rawValue) "
            write(right, atLeast: kind.precedence + 1)
        case .isNull(let operand, let isNegated):
            write(operand, atLeast: Precedence.test)
            text += isNegated ? " IS NOT NULL" : " IS NULL"
        case .isTruth(let operand, let value, let isNegated):
            write(operand, atLeast: Precedence.test)
            text += isNegated ? " IS NOT " : " IS "
            text += value.map { $0 ? "TRUE" : "FALSE" } ?? "UNKNOWN"
        case .isDistinctFrom(let left, let right, let isNegated):
            write(left, atLeast: Precedence.test)
            text += isNegated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM "
            write(right, atLeast: Precedence.comparison)
        case .isJSON(let operand, let shape, let isNegated):
            write(operand, atLeast: Precedence.test)
            text += isNegated ? " IS NOT JSON" : " IS JSON"
            if shape != .value { text += " " + shape.rawValue }
        case .overlaps(let left, let right):
            write(left, atLeast: Precedence.range)
            text += " OVERLAPS "
            write(right, atLeast: Precedence.concat)
        case .between(let operand, let low, let high, let isNegated, let isSymmetric):
            write(operand, atLeast: Precedence.range)
            text += isNegated ? " NOT BETWEEN " : " BETWEEN "
            if isSymmetric { text += "SYMMETRIC " }
            write(low, atLeast: Precedence.concat)
            text += " AND "
            write(high, atLeast: Precedence.concat)
        case .inList(let operand, let items, let isNegated):
            write(operand, atLeast: Precedence.range)
            text += isNegated ? " NOT IN (" : " IN ("
            write(items)
            text += ")"
        case .inQuery(let operand, let query, let isNegated):
            write(operand, atLeast: Precedence.range)
            text += isNegated ? " NOT IN (" : " IN ("
            write(query)
            text += ")"
        case .like(let operand, let pattern, let escape, let isNegated, let isSimilar):
            write(operand, atLeast: Precedence.range)
            text += isNegated ? " NOT " : " "
            text += isSimilar ? "SIMILAR TO " : "LIKE "
            write(pattern, atLeast: Precedence.concat)
            if let escape {
                text += " ESCAPE "
                write(escape, atLeast: Precedence.concat)
            }
        default: preconditionFailure("not an operator")
        }
    }

    private mutating func writePrimary(_ kind: ExpressionSyntax.Kind) {
        switch kind {
        case .conditional(let operand, let whens, let otherwise):
            text += "CASE"
            if let operand {
                text += " "
                write(operand)
            }
            for when in whens {
                text += " WHEN "
                write(when.condition)
                text += " THEN "
                write(when.result)
            }
            if let otherwise {
                text += " ELSE "
                write(otherwise)
            }
            text += " END"
        case .cast(let operand, let type, let isTry):
            text += isTry ? "TRY_CAST(" : "CAST("
            write(operand)
            text += " AS "
            write(type)
            text += ")"
        case .call(let call): write(call)
        case .rowValue(let items): writeItems("ROW(", items, ")")
        case .arrayValue(let items): writeItems("ARRAY[", items, "]")
        case .mapValue(let items): writeItems("MAP[", items, "]")
        case .field(let base, let name):
            writeBase(base, isField: true)
            text += "."
            write(name)
        case .element(let base, let index):
            writeBase(base, isField: false)
            writeItems("[", [index], "]")
        case .exists(let query):
            text += "EXISTS ("
            write(query)
            text += ")"
        case .scalarQuery(let query):
            text += "("
            write(query)
            text += ")"
        case .descriptor(let columns):
            text += "DESCRIPTOR"
            writeColumns(columns)
        case .tableArgument(let table, let partitionBy):
            text += "TABLE "
            switch table.kind {
            case .function(let call, _): write(call)
            default: writeTable(table)
            }
            if !partitionBy.isEmpty { writeItems(" PARTITION BY (", partitionBy, ")") }
        case .modelArgument(let name):
            text += "MODEL "
            write(name)
        case .timeUnit(let unit): text += unit
        case .asterisk: text += "*"
        case .parameter(let name): text += name.isEmpty ? "?" : "@" + name
        default: preconditionFailure("not a primary expression")
        }
    }

    private mutating func writeItems(_ open: String, _ items: [ExpressionSyntax], _ close: String) {
        text += open
        write(items)
        text += close
    }

    /// What stands before `.field` or `[index]`.
    private mutating func writeBase(_ base: ExpressionSyntax, isField: Bool) {
        let isBare =
            switch base.kind {
            case .call, .element, .field, .rowValue, .arrayValue, .mapValue, .cast, .conditional, .scalarQuery: true
            // `(r).a` is not `r.a`, and `array[1]` is not an element of a column named array.
            case .name(let parts): !isField && !["ARRAY", "MAP"].contains(parts[0].text.uppercased())
            default: false
            }
        if !isBare { text += "(" }
        write(base)
        if !isBare { text += ")" }
    }

    mutating func write(_ call: CallSyntax) {
        write(call.name)
        text += "("
        if call.isDistinct { text += "DISTINCT " }
        let name = call.name.parts.count == 1 && !call.name.parts[0].isQuoted ? call.name.text.uppercased() : ""
        for (index, argument) in call.arguments.enumerated() {
            if index > 0 {
                let isUnitForm = call.arguments.count == 2
                if name == "EXTRACT", isUnitForm {
                    text += " FROM "
                } else if isUnitForm, ["FLOOR", "CEIL", "CEILING"].contains(name), case .timeUnit = argument.value.kind
                {
                    text += " TO "
                } else if name == "JSON_OBJECTAGG" {
                    text += " VALUE "
                } else {
                    text += ", "
                }
            }
            if let name = argument.name {
                write(name)
                text += " => "
            }
            // The first operand of POSITION ends at IN, a key of JSON_OBJECTAGG at VALUE.
            let isFirst = (name == "POSITION" || name == "JSON_OBJECTAGG") && index == 0
            write(argument.value, atLeast: isFirst ? Precedence.concat : Precedence.or)
        }
        if let leavesOutNull = call.leavesOutNull { text += leavesOutNull ? " ABSENT ON NULL" : " NULL ON NULL" }
        text += ")"
        if let nulls = call.nulls { text += " \(nulls.rawValue) NULLS" }
        if let filter = call.filter { writeItems(" FILTER (WHERE ", [filter], ")") }
        if let over = call.over {
            text += " OVER "
            write(over)
        }
    }

    mutating func write(_ window: WindowSyntax) {
        if let name = window.name, window.partitionBy.isEmpty, window.orderBy.isEmpty, window.frame == nil {
            return write(name)
        }
        writeInParentheses(window)
    }

    mutating func writeInParentheses(_ window: WindowSyntax) {
        text += "("
        var blank = ""
        if let name = window.name {
            write(name)
            blank = " "
        }
        if !window.partitionBy.isEmpty {
            text += blank + "PARTITION BY "
            write(window.partitionBy)
            blank = " "
        }
        if !window.orderBy.isEmpty {
            text += blank
            write(orderBy: window.orderBy)
            blank = " "
        }
        if let frame = window.frame {
            text += blank + (frame.isRange ? "RANGE BETWEEN " : "ROWS BETWEEN ")
            write(frame.start)
            text += " AND "
            write(frame.end)
        }
        text += ")"
    }

    private mutating func write(_ bound: WindowSyntax.FrameSyntax.Bound) {
        switch bound {
        case .unboundedPreceding: text += "UNBOUNDED PRECEDING"
        case .preceding(let distance):
            write(distance, atLeast: Precedence.concat)
            text += " PRECEDING"
        case .currentRow: text += "CURRENT ROW"
        case .following(let distance):
            write(distance, atLeast: Precedence.concat)
            text += " FOLLOWING"
        case .unboundedFollowing: text += "UNBOUNDED FOLLOWING"
        }
    }

    mutating func write(orderBy items: [OrderSyntax]) {
        text += "ORDER BY "
        list(items) { writer, item in
            writer.write(item.expression)
            if item.isDescending { writer.text += " DESC" }
            if let nullsFirst = item.nullsFirst { writer.text += nullsFirst ? " NULLS FIRST" : " NULLS LAST" }
        }
    }
}

extension ExpressionSyntax.Kind {
    /// How strongly the outermost operator binds; `postfix` for everything without one.
    fileprivate var precedence: Int {
        switch self {
        case .unary(let sign, _): sign == .not ? Precedence.not : Precedence.sign
        case .binary(let sign, _, _):
            switch sign {
            case .or: Precedence.or
            case .and: Precedence.and
            case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: Precedence.comparison
            case .concat: Precedence.concat
            case .add, .subtract: Precedence.sum
            case .multiply, .divide, .modulo: Precedence.product
            }
        case .isNull, .isTruth, .isDistinctFrom, .isJSON: Precedence.test
        case .between, .inList, .inQuery, .like, .overlaps: Precedence.range
        default: Precedence.postfix
        }
    }
}
