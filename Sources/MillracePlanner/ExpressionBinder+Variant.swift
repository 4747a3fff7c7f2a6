import MillraceCore
import MillraceSQL

/// VARIANT: a value of JSON whose type is known only at run time.
///
/// It lives between PARSE_JSON and JSON_STRING; no table has a column of it. In memory it is JSON text in a ROW of one field,
/// which keeps it apart from text.
extension ExpressionBinder {
    static let variantType = DataType.row([Field("$variant", .string)])

    /// `PARSE_JSON(text [, allow duplicate keys])`, `TRY_PARSE_JSON`: text that is no JSON fails the row, or is NULL.
    func parseJSON(_ name: String, _ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard arguments.count == 1 || arguments.count == 2 else {
            return fail("\(name) takes 1 or 2 arguments, not \(arguments.count)", range)
        }
        if arguments.count == 2, boolean(arguments[1], name) == nil { return nil }
        guard let bound = bind(arguments[0]) else { return nil }
        guard bound.type.isCharacter || bound.type == .null else {
            return fail("\(name) takes STRING, not \(bound.type)", arguments[0].range)
        }
        let isTry = name == "TRY_PARSE_JSON"
        let text = strict(isTry ? .tryParseJSON : .parseJSON, [textual(bound)], .string)
        return boxed(Bound(text.expression, isNullable: text.isNullable || isTry), Self.variantType)
    }

    /// The text of a VARIANT; nil for other types.
    func variantText(_ bound: Bound) -> Bound? {
        guard bound.type == Self.variantType else { return nil }
        return unboxed(bound, .string)
    }

    /// `v['key']` and `v[1]`: NULL when it is not there; of another kind of value the row fails.
    func variantItem(_ text: Bound, _ key: Bound, _ range: SourceRange) -> Bound? {
        guard key.type.isCharacter || key.type.isInteger else {
            return fail("an item of a VARIANT is named by STRING or INT, not \(key.type)", range)
        }
        let item = strict(.variantItem, [text, key], .string)
        return boxed(Bound(item.expression, isNullable: true), Self.variantType)
    }

    // MARK: Structured objects

    /// `OBJECT_OF('class', 'name', value, …)`: a ROW with these names.
    func objectOf(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard arguments.count % 2 == 1, case .string = arguments[0].kind else {
            return fail("OBJECT_OF takes a class name, then pairs of name and value", range)
        }
        guard let pairs = pairs(arguments.dropFirst(), "OBJECT_OF") else { return nil }
        let fields = pairs.map { Field($0.name, $0.value.type, isNullable: $0.value.isNullable) }
        return Bound(.call(.rowConstructor, pairs.map(\.value.expression), .row(fields)), isNullable: false)
    }

    /// `OBJECT_UPDATE(object, 'name', value, …)`: the object with other values.
    func objectUpdate(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard arguments.count % 2 == 1, arguments.count > 2, let first = arguments.first else {
            return fail("OBJECT_UPDATE takes an object, then pairs of name and value", range)
        }
        guard let object = bind(first), let pairs = pairs(arguments.dropFirst(), "OBJECT_UPDATE") else { return nil }
        guard case .row(var fields) = object.type else {
            return fail("OBJECT_UPDATE takes an object, not \(object.type)", first.range)
        }
        var values = fields.indices.map { Expression.field(object.expression, index: $0, fields[$0].type) }
        for pair in pairs {
            guard let index = fields.firstIndex(where: { $0.name == pair.name }) else {
                return fail(
                    "the object has no field \"\(pair.name)\"", range,
                    NearestName.hint(pair.name, in: fields.map(\.name)))
            }
            values[index] = pair.value.expression
            fields[index] = Field(pair.name, pair.value.type, isNullable: pair.value.isNullable)
        }
        return Bound(.call(.rowConstructor, values, .row(fields)), isNullable: false)
    }

    private func pairs(_ arguments: ArraySlice<ExpressionSyntax>, _ function: String) -> [(name: String, value: Bound)]?
    {
        var result: [(name: String, value: Bound)] = []
        for index in stride(from: arguments.startIndex, to: arguments.endIndex, by: 2) {
            guard case .string(let name, _) = arguments[index].kind else {
                _ = fail("a field name of \(function) is a text literal", arguments[index].range)
                return nil
            }
            guard let value = bind(arguments[index + 1]) else { return nil }
            result.append((name, value))
        }
        return result
    }
}
