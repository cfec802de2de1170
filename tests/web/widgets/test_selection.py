from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from histospace_core.web.widgets import selection

    gene = st.text_input("gene", "A")
    if st.button("select"):
        points = [{"curve_number": 1, "point_index": i} for i in (7, 3)]
        points.append({"curve_number": 0, "point_index": 99})
        st.session_state["chart"] = {"selection": {"points": points}}
        selection.store_chart_selection("run", "chart", trace=1)
    st.button("clear", on_click=selection.clear, args=("run",))
    st.json(
        {
            "selected": selection.selected("run"),
            "drawn": selection.selection_for_figure("run", gene),
        }
    )


def shown(app: AppTest) -> dict:
    import json

    assert not app.exception
    return json.loads(app.json[0].value)


def test_a_selection_is_drawn_only_once_the_figure_changes_anyway():
    app = AppTest.from_function(page).run()
    assert shown(app) == {"selected": [], "drawn": None}
    app.button[0].click().run()
    assert shown(app) == {"selected": [3, 7], "drawn": None}, "the same chart keeps its own marks"
    app.text_input[0].set_value("B").run()
    assert shown(app) == {"selected": [3, 7], "drawn": [3, 7]}, "a new chart shows the old region"
    app.button[1].click().run()
    assert shown(app) == {"selected": [], "drawn": None}
