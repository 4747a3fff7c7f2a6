import MillraceCore
import MillraceSQL

extension ExpressionBinder {
    /// `IS [NOT] JSON …`; never NULL, as in Flink: NULL is no JSON.
    func isJSON(_ operand: ExpressionSyntax, _ shape: JSONSyntax.Shape, isNegated: Bool, _ range: SourceRange) -> Bound?
    {
        guard let bound = bind(operand) else { return nil }
        guard bound.type.isCharacter || bound.type == .null else {
            return fail("IS JSON takes STRING, not \(bound.type)", operand.range)
        }
        let call = test(.isJSON, [bound.expression, .literal(.string(shape.rawValue), .string)])
        return isNegated ? test(.not, [call.expression]) : call
    }

    func json(_ json: JSONSyntax, _ range: SourceRange) -> Bound? {
        switch json.function {
        case .object, .array: return constructor(json)
        case .exists, .value, .query: return reader(json, range)
        }
    }

    // MARK: JSON_VALUE, JSON_QUERY, JSON_EXISTS

    private func reader(_ json: JSONSyntax, _ range: SourceRange) -> Bound? {
        let name = json.function.rawValue
        guard json.arguments.count == 2 else {
            return fail("\(name) takes a document and a path, not \(json.arguments.count) arguments", range)
        }
        var arguments: [Bound] = []
        for syntax in json.arguments {
            guard let bound = bind(syntax) else { continue }
            guard bound.type.isCharacter || bound.type == .null else {
                _ = fail("\(name) takes STRING, not \(bound.type)", syntax.range)
                continue
            }
            arguments.append(Bound(cast(bound.expression, to: .string), isNullable: bound.isNullable))
        }
        var type: DataType = json.function == .exists ? .boolean : .string
        if let syntax = json.returning {
            guard let resolved = TypeResolver(log: log).resolve(syntax) else { return nil }
            guard isReturnable(resolved, json.function) else {
                return fail(
                    "\(name) does not return \(resolved)", syntax.range,
                    json.function == .query ? "It returns STRING or ARRAY<STRING>." : "It returns a scalar.")
            }
            type = resolved
        }
        guard arguments.count == 2, check(json.onEmpty, json, isEmpty: true, range),
            check(json.onError, json, isEmpty: false, range)
        else { return nil }
        func code(_ behavior: JSONSyntax.Behavior?) -> Bound {
            literal(.integer(modeCode(behavior).rawValue), .integer)
        }
        switch json.function {
        case .exists:
            arguments.append(literal(.integer((json.onError.map { modeCode($0) } ?? .false).rawValue), .integer))
        case .query:
            let wrapper: Int64 = json.wrapper == .conditional ? 1 : json.wrapper == .unconditional ? 2 : 0
            arguments += [literal(.integer(wrapper), .integer), code(json.onEmpty), code(json.onError)]
        default:
            guard json.onEmpty != nil || json.onError != nil || type != .string else { break }
            arguments += [code(json.onEmpty), code(json.onError)]
            for behavior in [json.onEmpty, json.onError] {
                guard case .value(let syntax)? = behavior else {
                    arguments.append(literal(.null, type))
                    continue
                }
                guard let value = bind(syntax) else { return nil }
                guard Coercion.isImplicit(from: value.type, to: type) else {
                    return fail("the default is \(value.type), not \(type)", syntax.range, "Write a CAST.")
                }
                arguments.append(Bound(cast(value.expression, to: type), isNullable: value.isNullable))
            }
        }
        let function: BuiltinFunction =
            switch json.function {
            case .exists: .jsonExists
            case .query: .jsonQuery
            default: .jsonValue
            }
        return Bound(.call(function, arguments.map(\.expression), type), isNullable: true)
    }

    private func isReturnable(_ type: DataType, _ function: JSONSyntax.Function) -> Bool {
        switch function {
        case .query: type.isCharacter || isTextArray(type)
        case .value: type.isCharacter || type.isNumeric || type == .boolean
        default: false
        }
    }

    private func isTextArray(_ type: DataType) -> Bool {
        if case .array(let element) = type { element.isCharacter } else { false }
    }

    private func check(_ behavior: JSONSyntax.Behavior?, _ json: JSONSyntax, isEmpty: Bool, _ range: SourceRange)
        -> Bool
    {
        guard let behavior else { return true }
        let isFine =
            switch (behavior, json.function) {
            case (.null, .value), (.null, .query), (.error, .value), (.error, .query), (.value, .value): true
            case (.emptyArray, .query), (.emptyObject, .query): true
            case (.true, .exists), (.false, .exists), (.unknown, .exists), (.error, .exists): !isEmpty
            default: false
            }
        if !isFine { _ = fail("\(json.function.rawValue) has no such ON \(isEmpty ? "EMPTY" : "ERROR")", range) }
        return isFine
    }

    private func modeCode(_ behavior: JSONSyntax.Behavior?) -> JSONBehavior {
        switch behavior {
        case nil, .null?: .null
        case .error?: .error
        case .true?: .true
        case .false?: .false
        case .unknown?: .unknown
        case .emptyArray?: .emptyArray
        case .emptyObject?: .emptyObject
        case .value?: .value
        }
    }

    // MARK: JSON_OBJECT, JSON_ARRAY

    /// JSON_OBJECT keeps NULL and JSON_ARRAY leaves it out, unless the clause says otherwise.
    private func constructor(_ json: JSONSyntax) -> Bound? {
        let leavesOut = json.leavesOutNull ?? (json.function == .array)
        var arguments: [Expression] = [.literal(.boolean(leavesOut), .boolean)]
        var isFine = true
        for (index, syntax) in json.arguments.enumerated() {
            guard let bound = bind(syntax) else {
                isFine = false
                continue
            }
            if json.function == .object, index % 2 == 0 {
                guard bound.type.isCharacter else {
                    _ = fail("a key of JSON_OBJECT is STRING, not \(bound.type)", syntax.range)
                    isFine = false
                    continue
                }
                arguments.append(cast(bound.expression, to: .string))
            } else if isJSONText(syntax) {
                // A ROW of one field without a name marks text that is JSON already.
                arguments.append(.call(.rowConstructor, [bound.expression], .row([Field("", .string)])))
            } else {
                let expression = bound.type == .null ? cast(bound.expression, to: .string) : bound.expression
                arguments.append(expression)
            }
        }
        guard isFine else { return nil }
        let function: BuiltinFunction = json.function == .object ? .jsonObject : .jsonArray
        return Bound(.call(function, arguments, .string), isNullable: false)
    }

    private func isJSONText(_ syntax: ExpressionSyntax) -> Bool {
        switch syntax.kind {
        case .json(let json): json.function == .object || json.function == .array
        case .call(let call): call.name.text.uppercased() == "JSON"
        default: false
        }
    }
}
