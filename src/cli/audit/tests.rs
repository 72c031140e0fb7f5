use super::*;

#[test]
fn what_an_earlier_check_found_is_a_number_and_a_mark() {
    assert_eq!(parse_kept("12:aGk=").unwrap(), Kept { rows: 12, mark: "aGk=".to_owned() });
    for wrong in ["", "12", "12:", ":aGk=", "x:aGk=", "-1:aGk="] {
        assert!(parse_kept(wrong).is_err(), "{wrong}");
    }
}
